//! `refwarden http`: a web server runs it as a CGI; see `door::http`. And the interface for programs
//! that lies there beside git, with the verbs of the command: [`api`].

mod answer;
mod api;
mod fields;
mod route;
mod urgent;
mod verbs;

use crate::door::rest::Rest;

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
    crate::door::http::run(&Rest { api: Some(api::answer), ..Rest::WHOLE })
}
