//! Options of devices in real time: `vfio-user:DIRECTORY?function=vf0&poll=spin`.

use std::time::Duration;

use nvme_hosted::WaitMode;

use super::{Backend, UriError};

/// The options of a device that this process does not simulate.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RealTimeOptions {
    /// `function`: of several that are served in a directory, the one to use, such as `pf` or `vf0`.
    pub function: Option<String>,
    /// `poll`: how clients wait for the device.
    pub wait: WaitMode,
    /// `reconnect_s`: how long a server that has gone is waited for.
    pub reconnect: Duration,
}

/// Longest `reconnect_s`: an hour.
const MOST_RECONNECT_S: u64 = 3600;

pub(super) fn parse_option(
    backend: &Backend,
    option: &str,
    into: &mut RealTimeOptions,
) -> Result<(), UriError> {
    let served = matches!(backend, Backend::VfioUser { .. });
    let names = if served {
        "function, poll and reconnect_s"
    } else {
        "poll"
    };
    match option.split_once('=') {
        Some(("poll", value)) => {
            into.wait = match value {
                "spin" => WaitMode::Spin,
                "adaptive" => WaitMode::Adaptive,
                "interrupt" => WaitMode::Interrupt,
                _ => {
                    return Err(UriError(format!(
                        "poll={value}: must be spin, adaptive or interrupt"
                    )));
                }
            };
        }
        Some(("function", value)) if served => {
            if value.is_empty() || value.contains('/') {
                return Err(UriError(format!(
                    "function={value}: must be the name of a directory in the served one, such as \
                     pf or vf0"
                )));
            }
            into.function = Some(value.to_owned());
        }
        Some(("reconnect_s", value)) if served => {
            let seconds = value.parse().ok();
            let seconds = seconds.filter(|seconds| *seconds <= MOST_RECONNECT_S);
            into.reconnect = Duration::from_secs(seconds.ok_or_else(|| {
                UriError(format!(
                    "reconnect_s={value}: must be a number of seconds from 0 to {MOST_RECONNECT_S}"
                ))
            })?);
        }
        _ => {
            return Err(UriError(format!(
                "'{option}': options of this device are {names}; the others belong to simulated \
                 devices (model:, rtl:)"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::DeviceUri;

    #[test]
    fn every_option_is_read() {
        let options = |text: &str| text.parse::<DeviceUri>().unwrap().real_time;
        assert_eq!(options("vfio-user:/run/d"), RealTimeOptions::default());
        assert_eq!(
            options("vfio-user:/run/d?function=vf0&poll=spin&reconnect_s=30"),
            RealTimeOptions {
                function: Some("vf0".into()),
                wait: WaitMode::Spin,
                reconnect: Duration::from_secs(30),
            }
        );
        assert_eq!(
            options("vfio:0000:01:00.0?poll=interrupt").wait,
            WaitMode::Interrupt
        );
        assert_eq!(
            options("vfio:0000:01:00.0?poll=adaptive").wait,
            WaitMode::Adaptive
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            (
                "vfio-user:/run/d?poll=never",
                "poll=never: must be spin, adaptive or interrupt",
            ),
            (
                "vfio-user:/run/d?poll",
                "'poll': options of this device are function, poll and reconnect_s",
            ),
            (
                "vfio-user:/run/d?reconnect_s=3601",
                "reconnect_s=3601: must be a number of seconds from 0 to 3600",
            ),
            (
                "vfio:0000:01:00.0?reconnect_s=1",
                "options of this device are poll;",
            ),
            ("vfio-user:/run/d?function=", "function=: must be"),
            ("vfio-user:/run/d?function=../x", "function=../x: must be"),
            (
                "vfio-user:/run/d?size=1GiB",
                "'size=1GiB': options of this device",
            ),
            (
                "vfio:0000:01:00.0?function=pf",
                "options of this device are poll;",
            ),
        ] {
            let message = text.parse::<DeviceUri>().unwrap_err().to_string();
            assert!(message.contains(part), "{text}: {message}");
        }
    }
}
