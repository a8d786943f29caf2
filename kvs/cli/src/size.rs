//! Sizes as people write them: `4096`, `4KiB`, `1GiB`.

/// Bytes of a size such as `4096`, `512B`, `4KiB`, `64MiB`, `1GiB` or `2TiB`.
///
/// # Errors
/// Says what was not understood, and what would be.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" | "K" | "k" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        "TiB" | "T" => 40,
        _ => {
            return Err(format!(
                "'{text}' is not a size; write it like 4096, 4KiB, 64MiB or 1GiB"
            ));
        }
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("'{text}' is not a size; write it like 4096, 4KiB, 64MiB or 1GiB"))?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("'{text}' is more than 64 bits can say"))
}

/// [`parse_size`] for sizes that must fit 32 bits.
///
/// # Errors
/// As [`parse_size`].
pub fn parse_size_u32(text: &str) -> Result<u32, String> {
    u32::try_from(parse_size(text)?).map_err(|_| format!("'{text}' is more than 4 GiB"))
}

/// The shortest exact way to write a size: `4 KiB`, `1 GiB`, `1000 B`.
pub fn show_size(bytes: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes >= 1 << shift && bytes.is_multiple_of(1 << shift) {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("4KiB"), Ok(4096));
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("2TiB"), Ok(2 << 40));
    }

    #[test]
    fn names_what_it_does_not_understand() {
        for wrong in ["", "KiB", "4 KiB", "4KB", "-1", "1.5GiB", "4kib"] {
            let message = parse_size(wrong).unwrap_err();
            assert!(message.contains(&format!("'{wrong}'")), "{message}");
        }
        assert!(
            parse_size("99999999999TiB")
                .unwrap_err()
                .contains("64 bits")
        );
        assert!(parse_size_u32("5GiB").unwrap_err().contains("4 GiB"));
    }

    #[test]
    fn shows_sizes_exactly() {
        assert_eq!(show_size(1 << 30), "1 GiB");
        assert_eq!(show_size(3584), "3584 B");
        assert_eq!(show_size(15872), "15872 B");
        assert_eq!(show_size(16384), "16 KiB");
    }
}
