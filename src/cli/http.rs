//! `refwarden http`: a web server runs it as a CGI; see `door::http`. And the interface for programs
//! that lies there beside git, with the verbs of the command: [`api`].

mod answer;
mod api;
mod fields;
mod route;
mod urgent;
mod verbs;

use crate::door::rest::Rest;

/// Serves one request.
#[must_use]
pub fn run() -> std::process::ExitCode {
    crate::door::http::run(&Rest { api: Some(api::answer), ..Rest::WHOLE })
}
