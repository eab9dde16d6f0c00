//! `refwarden http`: a web server runs it as a CGI; see `door::http`. And the interface for programs
//! that lies there beside git, with the verbs of the command: [`api`].

mod answer;
mod api;
mod fields;
mod route;
mod verbs;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What there is to know of a verb without arguments.
pub const HELP: &str = "It takes no arguments and reads no terminal: the request comes in the environment and on\n\
    standard input, as CGI (RFC 3875) has it, and the answer goes to standard output.\n\n\
    The web server starts it as LIB/refwarden-http, through fcgiwrap, as the hosting account;\n\
    `install.sh --http-door` writes systemd's units and prints nginx's lines.\n\
    People then use:  git clone https://HOST/NAME  with a token (refwarden token create) as password.\n\
    Programs use:     https://HOST/-/refwarden/v1/";

/// Serves one request.
#[must_use]
pub fn run() -> std::process::ExitCode {
    crate::door::http::run(api::answer)
}

/// The name by which a web server may run this program without an argument.
const NAME: &[u8] = b"refwarden-http";

/// Whether this program was started as the door, by `refwarden-http`.
///
/// Web servers make arguments out of a query without `=` (RFC 3875, section 4.4), so by this name
/// none counts.
#[must_use]
pub fn is_called(arguments: &[OsString]) -> bool {
    let name = arguments.first().and_then(|name| Path::new(name).file_name());
    name.is_some_and(|name| name.as_bytes() == NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_out_of_a_query_do_not_make_it_another_verb() {
        let called =
            |words: &[&str]| is_called(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert!(called(&["/usr/local/lib/refwarden/refwarden-http", "policy", "apply"]));
        assert!(called(&["refwarden-http"]));
        assert!(!called(&["refwarden", "refwarden-http"]));
        assert!(!called(&["/x/refwarden-http/refwarden", "http"]));
        assert!(!called(&[]));
    }
}
