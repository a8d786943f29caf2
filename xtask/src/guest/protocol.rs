//! What a guest says on its second serial port, one line each (the first is its console):
//!
//! ```text
//! BEGIN name seconds          a check starts, and how long it may take
//! CHECK name ok|fail detail   how it ended
//! FIGURE name value unit      a measurement
//! ASK what …                  the host is to do something, and answers with a line
//! DONE                        the script came to its end
//! ```

/// One line of a guest.
#[derive(Debug, PartialEq, Clone)]
pub(crate) enum Line {
    Begin {
        name: String,
        seconds: u64,
    },
    Check {
        name: String,
        ok: bool,
        detail: String,
    },
    Figure {
        name: String,
        value: f64,
        unit: String,
    },
    Ask(Vec<String>),
    Done,
}

/// Reads a line; what is wrong with it otherwise.
pub(crate) fn parse(line: &str) -> Result<Line, String> {
    let line = line.trim();
    let (kind, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split_whitespace();
    let mut word = |what: &str| {
        words
            .next()
            .map(str::to_owned)
            .ok_or_else(|| format!("{what} is missing in `{line}`"))
    };
    match kind {
        "BEGIN" => {
            let name = word("the check's name")?;
            let seconds = word("the time limit")?;
            let seconds = seconds
                .parse()
                .map_err(|_| format!("no number of seconds in `{line}`"))?;
            Ok(Line::Begin { name, seconds })
        }
        "CHECK" => {
            let name = word("the check's name")?;
            let ok = match word("the verdict")?.as_str() {
                "ok" => true,
                "fail" => false,
                other => return Err(format!("neither ok nor fail but {other} in `{line}`")),
            };
            let detail = words.collect::<Vec<_>>().join(" ");
            Ok(Line::Check { name, ok, detail })
        }
        "FIGURE" => {
            let name = word("the figure's name")?;
            let value = word("the value")?;
            let value = value
                .parse()
                .map_err(|_| format!("no number in `{line}`"))?;
            Ok(Line::Figure {
                name,
                value,
                unit: words.collect::<Vec<_>>().join(" "),
            })
        }
        "ASK" => Ok(Line::Ask(words.map(str::to_owned).collect())),
        "DONE" => Ok(Line::Done),
        _ => Err(format!(
            "`{line}` is none of BEGIN, CHECK, FIGURE, ASK, DONE"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, parse};

    #[test]
    fn lines_are_read_or_say_what_is_wrong() {
        let check = |name: &str, ok, detail: &str| {
            Ok(Line::Check {
                name: name.into(),
                ok,
                detail: detail.into(),
            })
        };
        assert_eq!(parse("CHECK lspci ok"), check("lspci", true, ""));
        assert_eq!(
            parse("CHECK fio fail bad  magic\r"),
            check("fio", false, "bad magic")
        );
        assert_eq!(
            parse("BEGIN fio 30"),
            Ok(Line::Begin {
                name: "fio".into(),
                seconds: 30
            })
        );
        assert_eq!(parse("DONE\r\n"), Ok(Line::Done));
        assert!(parse("CHECK fio perhaps").is_err());
        assert!(parse("BEGIN fio soon").is_err());
        assert!(parse("").is_err());
    }
}
