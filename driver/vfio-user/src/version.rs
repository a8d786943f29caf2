//! The negotiation at the begin of a connection.

use rustix::io::Errno;
use serde_json::{Map, Value, json};
use thiserror::Error;
use zerocopy::IntoBytes;

use crate::DEFAULT_MAX_TRANSFER_BYTES;
use crate::message::{VersionNumbers, payload_with_tail};

/// Major version of the protocol.
pub const MAJOR: u16 = 0;
/// Minor version of the protocol.
pub const MINOR: u16 = 1;

/// What a side says of itself; what it leaves out has the specification's default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capabilities {
    /// Descriptors it takes with one message.
    pub max_msg_fds: u64,
    /// Most bytes of data in one message.
    pub max_data_xfer_size: u64,
    /// Most DMA ranges at a time.
    pub max_dma_maps: u64,
    /// Page sizes of DMA ranges, or'ed.
    pub pgsizes: u64,
    /// It understands `REGION_WRITE_MULTI`.
    pub write_multiple: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            max_msg_fds: 1,
            max_data_xfer_size: DEFAULT_MAX_TRANSFER_BYTES,
            max_dma_maps: 65_535,
            pgsizes: 4096,
            write_multiple: false,
        }
    }
}

/// The payload of `VERSION`, in both directions.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Version {
    /// Major version.
    pub major: u16,
    /// Minor version.
    pub minor: u16,
    /// Capabilities.
    pub capabilities: Capabilities,
}

/// A `VERSION` that makes no sense.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum VersionError {
    /// Not even the numbers.
    #[error("VERSION has {bytes} bytes of payload; the version numbers alone have 4")]
    Short {
        /// Bytes there were.
        bytes: usize,
    },
    /// The text is no JSON object, or not UTF-8.
    #[error("the capabilities in VERSION are not a JSON object ({reason})")]
    NotJson {
        /// What the parser says.
        reason: String,
    },
    /// A capability has a value of the wrong kind.
    #[error("capability {name} in VERSION is {value}; it must be {expected}")]
    Value {
        /// Which one.
        name: &'static str,
        /// What was there.
        value: String,
        /// What it must be.
        expected: &'static str,
    },
    /// Another major version.
    #[error("the peer speaks vfio-user {major}.{minor}, this side {MAJOR}.{MINOR}")]
    Major {
        /// The peer's major version.
        major: u16,
        /// The peer's minor version.
        minor: u16,
    },
}

impl VersionError {
    /// The errno of a reply that refuses it.
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Major { .. } => Errno::NOTSUP,
            _ => Errno::INVAL,
        }
    }
}

impl Version {
    /// This protocol's version with `capabilities`.
    pub const fn new(capabilities: Capabilities) -> Self {
        Self {
            major: MAJOR,
            minor: MINOR,
            capabilities,
        }
    }

    /// The payload: numbers and JSON, with the NUL that ends it.
    pub fn encode(&self) -> Vec<u8> {
        let numbers = VersionNumbers {
            major: self.major,
            minor: self.minor,
        };
        let Capabilities {
            max_msg_fds,
            max_data_xfer_size,
            max_dma_maps,
            pgsizes,
            write_multiple,
        } = self.capabilities;
        let mut capabilities = json!({
            "max_msg_fds": max_msg_fds,
            "max_data_xfer_size": max_data_xfer_size,
            "max_dma_maps": max_dma_maps,
            "pgsizes": pgsizes,
        });
        if write_multiple {
            capabilities["write_multiple"] = true.into();
        }
        let mut payload = numbers.as_bytes().to_vec();
        payload.extend(json!({ "capabilities": capabilities }).to_string().bytes());
        payload.push(0);
        payload
    }

    /// Reads a payload. No text, an empty one and one without capabilities mean the defaults; names
    /// that are not known are passed over.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn decode(payload: &[u8]) -> Result<Self, VersionError> {
        let bytes = payload.len();
        let (VersionNumbers { major, minor }, text) =
            payload_with_tail(payload).map_err(|_| VersionError::Short { bytes })?;
        let mut version = Self {
            major,
            minor,
            capabilities: Capabilities::default(),
        };
        let end = text.iter().position(|&byte| byte == 0);
        let text = &text[..end.unwrap_or(text.len())];
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(version);
        }
        let value: Value = serde_json::from_slice(text).map_err(|error| VersionError::NotJson {
            reason: error.to_string(),
        })?;
        let Value::Object(object) = value else {
            return Err(VersionError::NotJson {
                reason: "another kind of value".to_owned(),
            });
        };
        match object.get("capabilities") {
            None | Some(Value::Null) => {}
            Some(Value::Object(list)) => version.capabilities = Capabilities::decode(list)?,
            Some(other) => {
                return Err(wrong("capabilities", other, "an object"));
            }
        }
        Ok(version)
    }

    /// The version and capabilities a server answers with: its own, as far as the client has them.
    ///
    /// # Errors
    /// [`VersionError::Major`]: there is no such version.
    pub fn agree(&self, own: Capabilities) -> Result<Self, VersionError> {
        let &Self { major, minor, .. } = self;
        if major != MAJOR {
            return Err(VersionError::Major { major, minor });
        }
        Ok(Self {
            major,
            minor: minor.min(MINOR),
            capabilities: own,
        })
    }
}

impl Capabilities {
    fn decode(list: &Map<String, Value>) -> Result<Self, VersionError> {
        let default = Self::default();
        let number = |name, default| match list.get(name) {
            None => Ok(default),
            Some(value) => value
                .as_u64()
                .ok_or_else(|| wrong(name, value, "a number, 0 or more")),
        };
        Ok(Self {
            max_msg_fds: number("max_msg_fds", default.max_msg_fds)?,
            max_data_xfer_size: number("max_data_xfer_size", default.max_data_xfer_size)?,
            max_dma_maps: number("max_dma_maps", default.max_dma_maps)?,
            pgsizes: number("pgsizes", default.pgsizes)?,
            write_multiple: match list.get("write_multiple") {
                None => false,
                Some(value) => value
                    .as_bool()
                    .ok_or_else(|| wrong("write_multiple", value, "true or false"))?,
            },
        })
    }
}

fn wrong(name: &'static str, value: &Value, expected: &'static str) -> VersionError {
    VersionError::Value {
        name,
        value: value.to_string(),
        expected,
    }
}
