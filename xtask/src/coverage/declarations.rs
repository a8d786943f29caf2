//! How the signals of `rtl/` are declared.

use std::collections::BTreeMap;

use anyhow::Result;

/// Source files by module, read once.
pub(super) struct Sources<F> {
    read: F,
    lines: BTreeMap<String, Vec<String>>,
}

impl<F: Fn(&str) -> Result<String>> Sources<F> {
    /// `read` gives the text of a module's file.
    pub(super) const fn new(read: F) -> Self {
        Self {
            read,
            lines: BTreeMap::new(),
        }
    }

    fn lines(&mut self, module: &str) -> Result<&[String]> {
        if !self.lines.contains_key(module) {
            let lines = (self.read)(module)?.lines().map(str::to_owned).collect();
            self.lines.insert(module.to_owned(), lines);
        }
        Ok(&self.lines[module])
    }

    /// A line, counted from 1.
    pub(super) fn line(&mut self, module: &str, line: u32) -> Result<&str> {
        let lines = self.lines(module)?;
        Ok(lines.get(line as usize - 1).map_or("", String::as_str))
    }

    /// The range that the signals of the declaration which ends at `line` have, as it is written but
    /// without spaces (`ROWS*QW-1:0`); empty when they have none.
    pub(super) fn range(&mut self, module: &str, line: u32) -> Result<String> {
        let lines = self.lines(module)?;
        for line in lines.iter().take(line as usize).rev() {
            if let Some(rest) = behind_type(line) {
                return Ok(bracketed(rest));
            }
        }
        Ok(String::new())
    }
}

/// What follows the last type of a line, unless that is in a comment.
fn behind_type(line: &str) -> Option<&str> {
    let code = line.split("//").next().unwrap_or_default();
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let places = ["wire", "reg", "integer"].into_iter().flat_map(|word| {
        code.match_indices(word)
            .map(move |(at, _)| (at, at + word.len()))
    });
    let whole = places.filter(|&(start, end)| {
        !code[..start].ends_with(is_part) && !code[end..].starts_with(is_part)
    });
    whole.map(|(_, end)| end).max().map(|end| &code[end..])
}

/// What the bracket at the beginning of a text holds.
fn bracketed(text: &str) -> String {
    let text = text.trim_start().trim_start_matches("signed").trim_start();
    let mut depth = 0;
    let mut inside = String::new();
    for c in text.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        inside.extend(Some(c).filter(|c| !c.is_whitespace()));
    }
    inside.split_off(inside.len().min(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found() {
        let text = "module m (\n\
                    input wire [ ROWS-1:0] a,\n\
                    output reg b\n\
                    );\n\
                    wire [A[1:0]*QW-1:0] c, // a wire [x]\n\
                    d;\n\
                    reg e[0:ROWS-1];\n\
                    wire_x = 1;\n";
        let mut sources = Sources::new(|_| Ok(text.to_owned()));
        for (line, range) in [
            (2, "ROWS-1:0"),
            (3, ""),
            (5, "A[1:0]*QW-1:0"),
            (6, "A[1:0]*QW-1:0"),
            (7, ""),
            (8, ""),
        ] {
            assert_eq!(sources.range("m", line).expect("text"), range, "{line}");
        }
        assert_eq!(sources.line("m", 4).expect("text"), ");");
        assert_eq!(sources.line("m", 400).expect("text"), "");
    }
}
