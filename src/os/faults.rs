//! Faults that tests inject: a shifted clock, a death, a panic or a pause at a named stage.
//!
//! Knows `faults.toml` in the site's folder, and only in builds with the feature `test-faults`;
//! in every other build both functions are empty and the file is never looked for.

#[cfg(not(feature = "test-faults"))]
pub use off::{point, shifted};
#[cfg(feature = "test-faults")]
pub use on::{Faults, point, shifted};

#[cfg(not(feature = "test-faults"))]
mod off {
    use crate::os::clock::Now;

    /// A stage at which a test may interfere; here nothing.
    #[inline(always)]
    pub fn point(_stage: &str) {}

    /// The clock as a test wants it; here as it is.
    #[inline(always)]
    #[must_use]
    pub fn shifted(now: Now) -> Now {
        now
    }
}

#[cfg(feature = "test-faults")]
mod on {
    use crate::os::clock::Now;
    use chrono::{DateTime, TimeDelta, Utc};
    use serde::Deserialize;
    use std::ffi::OsStr;
    use std::path::Path;
    use std::time::Duration;

    /// What `faults.toml` asks for.
    #[derive(Debug, Default, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
    pub struct Faults {
        wall: Option<DateTime<Utc>>,
        wall_offset_seconds: i64,
        boot_offset_seconds: u64,
        kill_at: Option<String>,
        panic_at: Option<String>,
        sleep_at: Option<String>,
        sleep_ms: u64,
        /// Only in the program of this name.
        program: Option<String>,
    }

    impl Faults {
        /// Reads the file's text.
        ///
        /// # Errors
        /// The text is not TOML, or has a key that nobody knows.
        pub fn parse(text: &str) -> Result<Self, toml::de::Error> {
            toml::from_str(text)
        }

        /// Shifts a time as asked.
        #[must_use]
        pub fn shift(&self, now: Now) -> Now {
            let wall = self.wall.unwrap_or(now.wall);
            Now {
                wall: wall + TimeDelta::seconds(self.wall_offset_seconds),
                boot: now.boot + Duration::from_secs(self.boot_offset_seconds),
            }
        }

        /// What is asked of this program: a hook's that was taken over as well as the hook's own.
        fn of(self, exe: &Path) -> Self {
            let asked = self.program.as_deref().map(OsStr::new);
            let begun = crate::os::env::arguments().into_iter().next().unwrap_or_default();
            let taken_over = begun.to_str().and_then(|name| name.strip_prefix("refwarden: "));
            let name = taken_over.map(OsStr::new).or(exe.file_name());
            if asked.is_none() || asked == name { self } else { Self::default() }
        }

        /// Read anew each time, so that a test can change it while a hook sleeps.
        /// A file that can't be understood ends the process: a test must not pass without it.
        fn load() -> Self {
            let Ok(exe) = std::fs::read_link("/proc/self/exe") else { std::process::abort() };
            let path = exe.with_file_name("faults.toml");
            match std::fs::read_to_string(path) {
                Ok(text) => Self::parse(&text).unwrap_or_else(|_| std::process::abort()).of(&exe),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
                Err(_) => std::process::abort(),
            }
        }
    }

    /// Dies, panics or sleeps if the file asks for it at this stage.
    #[expect(clippy::panic, reason = "a panic is what the test asks for")]
    pub fn point(stage: &str) {
        let faults = Faults::load();
        if faults.sleep_at.as_deref() == Some(stage) {
            std::thread::sleep(Duration::from_millis(faults.sleep_ms));
        }
        if faults.kill_at.as_deref() == Some(stage) {
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
        if faults.panic_at.as_deref() == Some(stage) {
            panic!("panic injected at {stage}");
        }
    }

    /// The clock as the file wants it.
    #[must_use]
    pub fn shifted(now: Now) -> Now {
        Faults::load().shift(now)
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_fixed_wall_clock_and_a_shifted_boot_clock() {
            let text = "wall = \"2026-03-01T10:00:00Z\"\nwall-offset-seconds = -5\nboot-offset-seconds = 61\n";
            let faults = Faults::parse(text).unwrap();
            let now = Now { wall: Utc::now(), boot: Duration::from_secs(7) };
            let got = faults.shift(now);
            assert_eq!(got.wall.to_rfc3339(), "2026-03-01T09:59:55+00:00");
            assert_eq!(got.boot, Duration::from_secs(68));
        }

        #[test]
        fn what_is_asked_of_one_program_is_not_done_by_another() {
            let of = |exe: &str| {
                let faults = Faults::parse("kill-at = \"x\"\nprogram = \"update\"").unwrap();
                faults.of(Path::new(exe)).kill_at
            };
            assert_eq!(of("/a/update").as_deref(), Some("x"));
            assert_eq!(of("/a/post-receive"), None);
        }

        #[test]
        fn a_misspelt_key_is_an_error() {
            assert!(Faults::parse("kil-at = \"decided\"").is_err());
        }
    }
}
