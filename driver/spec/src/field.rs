//! Field tables of the data structures: which bytes, which abbreviation and name, how to print them.
//!
//! Every structure a host may want to look at implements [`DataStructure`]. `fields()` walks the
//! structure in byte order, arrays element by element, so that a command line or a snapshot shows the
//! bytes under the standard's own names without a second list of them.

use core::fmt;
use core::ops::Range;

use zerocopy::{Immutable, IntoBytes};

/// How the bytes of a field are meant to be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldKind {
    /// A little-endian number of at most 16 bytes, best read in decimal.
    Number,
    /// Little-endian bits or codes of at most 16 bytes, best read in hexadecimal.
    Bits,
    /// ASCII padded with spaces.
    Text,
    /// Bytes in the order in which they stand in memory.
    Bytes,
    /// Bytes that mean nothing: reserved, or the vendor's. They should be zero.
    Reserved,
    /// A structure with fields of its own.
    Structure(&'static [FieldInfo]),
}

/// One row of a structure's field table: a field, or an array of equal fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FieldInfo {
    /// First byte within the structure.
    pub offset_bytes: usize,
    /// Bytes of one element.
    pub element_bytes: usize,
    /// Elements: 1 for a field, more for an array such as PSD0–PSD31.
    pub elements: usize,
    /// The standard's number of the first element: firmware slots count from 1, all else from 0.
    pub first_index: usize,
    /// The standard's abbreviation, such as `FUSES`; for an array without the index.
    pub abbreviation: &'static str,
    /// What it is, in words.
    pub name: &'static str,
    /// How to read it.
    pub kind: FieldKind,
}

/// A field of one value of a structure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// The row of the table it comes from.
    pub info: &'static FieldInfo,
    /// Which element, counted from 0, when the row is an array.
    pub index: Option<usize>,
    /// Its bytes, as they stand in memory.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// Which bytes of the structure.
    pub fn bytes(&self) -> Range<usize> {
        let start = self.info.offset_bytes + self.index.unwrap_or(0) * self.info.element_bytes;
        start..start + self.info.element_bytes
    }

    /// The abbreviation without an array's index.
    pub fn abbreviation(&self) -> &'static str {
        self.info.abbreviation
    }

    /// What it is, in words.
    pub fn name(&self) -> &'static str {
        self.info.name
    }

    /// Reserved or vendor specific.
    pub fn is_reserved(&self) -> bool {
        self.info.kind == FieldKind::Reserved
    }

    /// Every byte is zero.
    pub fn is_zero(&self) -> bool {
        self.value.iter().all(|&byte| byte == 0)
    }

    /// The value as a little-endian number; `None` above 16 bytes and for text, bytes, structures.
    pub fn number(&self) -> Option<u128> {
        match self.info.kind {
            FieldKind::Number | FieldKind::Bits if self.value.len() <= 16 => Some(
                self.value
                    .iter()
                    .rev()
                    .fold(0, |number, &byte| (number << 8) | u128::from(byte)),
            ),
            _ => None,
        }
    }

    /// The text without its padding; `None` when it is not a text field or not printable ASCII.
    pub fn text(&self) -> Option<&'a str> {
        let printable = self.value.iter().all(|&byte| (0x20..0x7f).contains(&byte));
        match self.info.kind {
            FieldKind::Text if printable => core::str::from_utf8(self.value)
                .ok()
                .map(|text| text.trim_end_matches(' ')),
            _ => None,
        }
    }

    /// The fields of a field that is a structure; none for all others.
    pub fn fields(&self) -> Fields<'a> {
        match self.info.kind {
            FieldKind::Structure(table) => Fields::new(table, self.value),
            _ => Fields::new(&[], self.value),
        }
    }

    /// The value alone, as [`Field`]'s own `Display` prints it after the names.
    pub fn display_value(&self) -> DisplayValue<'a> {
        DisplayValue(*self)
    }

    /// The abbreviation with an array's index, such as `LBAF0`.
    pub fn label(&self) -> Label {
        Label {
            abbreviation: self.info.abbreviation,
            index: self.index.map(|index| self.info.first_index + index),
        }
    }
}

/// Prints a field's abbreviation, with its index in an array.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Label {
    abbreviation: &'static str,
    index: Option<usize>,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.abbreviation)?;
        self.index.map_or(Ok(()), |index| write!(f, "{index}"))
    }
}

/// Prints a field's value: numbers in decimal, bits in hexadecimal, text in quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DisplayValue<'a>(Field<'a>);

impl fmt::Display for DisplayValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = &self.0;
        match (field.info.kind, field.number(), field.text()) {
            (FieldKind::Number, Some(number), _) => write!(f, "{number}"),
            (FieldKind::Bits, Some(bits), _) => {
                write!(f, "{bits:#0width$x}", width = 2 + 2 * field.value.len())
            }
            (_, _, Some(text)) => write!(f, "{text:?}"),
            (FieldKind::Structure(_), _, _) => {
                let mut separator = "";
                for inner in field.fields().filter(|inner| !inner.is_reserved()) {
                    write!(f, "{separator}{} {}", inner.label(), inner.display_value())?;
                    separator = ", ";
                }
                Ok(())
            }
            _ if field.is_zero() => f.write_str("0"),
            _ => {
                let used = field.value.iter().rposition(|&byte| byte != 0).unwrap_or(0);
                for byte in &field.value[..=used] {
                    write!(f, "{byte:02x}")?;
                }
                if used + 1 < field.value.len() {
                    f.write_str(" 00…")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Field<'_> {
    /// `523:522 FUSES Fused Operation Support: 0x0001`; bytes as the standard writes them, last first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.bytes();
        match bytes.len() {
            1 => write!(f, "{}", bytes.start)?,
            _ => write!(f, "{}:{}", bytes.end - 1, bytes.start)?,
        }
        write!(
            f,
            " {} {}: {}",
            self.label(),
            self.name(),
            self.display_value()
        )
    }
}

/// The fields of one value of a structure, in byte order.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    table: &'static [FieldInfo],
    bytes: &'a [u8],
    row: usize,
    element: usize,
}

impl<'a> Fields<'a> {
    const fn new(table: &'static [FieldInfo], bytes: &'a [u8]) -> Self {
        Self {
            table,
            bytes,
            row: 0,
            element: 0,
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let info = self.table.get(self.row)?;
        let start = info.offset_bytes + self.element * info.element_bytes;
        let value = self.bytes.get(start..start + info.element_bytes)?;
        let index = (info.elements > 1).then_some(self.element);
        self.element += 1;
        if self.element == info.elements {
            self.row += 1;
            self.element = 0;
        }
        Some(Field { info, index, value })
    }
}

/// A data structure of the standard whose fields can be listed.
pub trait DataStructure: IntoBytes + Immutable + Sized {
    /// The standard's name of the structure.
    const NAME: &'static str;
    /// Its fields in byte order; they cover every byte once.
    const FIELDS: &'static [FieldInfo];

    /// The fields of this value, in byte order, reserved ones included.
    fn fields(&self) -> Fields<'_> {
        Fields::new(Self::FIELDS, self.as_bytes())
    }

    /// The fields a person wants to see: without reserved bytes that are zero, as they should be,
    /// and without array elements after the first that are all zero, so unused.
    fn shown_fields(&self) -> impl Iterator<Item = Field<'_>> {
        self.fields().filter(|field| {
            let unused = field.is_reserved() || field.index.is_some_and(|index| index > 0);
            !(unused && field.is_zero())
        })
    }
}

/// Writes down a structure's field table; offsets and sizes come from the Rust layout, which tests
/// hold against the byte numbers of the standard.
macro_rules! field_table {
    ($structure:ident, $title:literal:
        $($field:ident $([$element:ty $(; from $first_index:literal)?])? $abbreviation:literal $name:literal $kind:ident $(($table:expr))?;)*
    ) => {
        impl $crate::field::DataStructure for $structure {
            const NAME: &'static str = $title;
            const FIELDS: &'static [$crate::field::FieldInfo] = &[$({
                let offset_bytes = core::mem::offset_of!($structure, $field);
                let total_bytes = $crate::field::size_of_field(|value: &$structure| &value.$field);
                #[allow(unused_mut, unused_assignments, reason = "only arrays change it")]
                let mut element_bytes = total_bytes;
                #[allow(unused_mut, unused_assignments, reason = "only some arrays change it")]
                let mut first_index = 0;
                $(
                    element_bytes = size_of::<$element>();
                    $(first_index = $first_index;)?
                )?
                $crate::field::FieldInfo {
                    offset_bytes,
                    element_bytes,
                    elements: total_bytes / element_bytes,
                    first_index,
                    abbreviation: $abbreviation,
                    name: $name,
                    kind: $crate::field::FieldKind::$kind $(($table))?,
                }
            }),*];
        }
    };
}
pub(crate) use field_table;

/// Bytes of the field that `_project` names; never calls it.
pub(crate) const fn size_of_field<S, F>(_project: fn(&S) -> &F) -> usize {
    size_of::<F>()
}
