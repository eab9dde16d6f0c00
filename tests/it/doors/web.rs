//! Web servers on the loopback that run the HTTP door, configured as `docs/doors-http.md` shows.

use super::{free_port, wait_for};
use crate::support::{Outcome, Person, Repo, Site, find_program, is_root, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// A web server in front of the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// nginx, which leaves passwords to the door.
    Nginx,
    /// nginx, which checks them itself.
    NginxLogin,
    /// Apache with fcgiwrap.
    Apache,
    /// Apache, which checks passwords itself.
    ApacheLogin,
    /// Apache that runs the door itself, as this account.
    ApacheCgi(&'static str),
}

/// A server that is asked to stop, so that it stops its own children.
#[derive(Debug)]
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.0.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.0.wait();
    }
}

/// A running server.
#[derive(Debug)]
pub struct Web {
    /// Its port of the loopback.
    pub port: u16,
    _server: Daemon,
    _wrap: Option<Daemon>,
}

/// The only block of the document with this mark.
fn block(kind: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doors-http.md");
    let page = std::fs::read_to_string(page).unwrap();
    let mark = format!("<!-- test: {kind} -->\n```");
    let mut found = page.split(&mark).skip(1);
    let block = found.next().unwrap_or_else(|| panic!("no block `{kind}`"));
    assert!(found.next().is_none(), "one block `{kind}`");
    let (_, body) = block.split_once('\n').unwrap();
    body.split_once("\n```").unwrap().0.to_owned() + "\n"
}

/// Replaces what is another on this machine; it must have been there.
fn swapped(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the document shows `{from}`");
        text.replace(from, to)
    })
}

/// Without the lines that hold certificates.
fn without_tls(text: &str) -> String {
    let is_tls = |line: &&str| line.trim_start().to_lowercase().starts_with("ssl");
    text.lines().filter(|line| !is_tls(line)).flat_map(|line| [line, "\n"]).collect()
}

const PROGRAM: &str = "/usr/local/lib/refwarden/refwarden-http";
const SOCKET: &str = "/run/refwarden-http.sock";

impl Web {
    /// Starts one; `None` where the programs are not installed.
    pub fn start(site: &Site, kind: Kind) -> Option<Self> {
        let folder = site.path("web");
        std::fs::create_dir(&folder).unwrap();
        let door = site.programs().join("refwarden-http");
        symlink("door", &door).unwrap();
        site.refwarden(&["store", "init"]).ends(0, "");
        let wrap = match kind {
            Kind::ApacheCgi(_) => None,
            _ => Some(wrap(&folder, &door)?),
        };
        std::fs::write(folder.join("htpasswd"), htpasswd(kind)).unwrap();
        let port = free_port();
        let server = match kind {
            Kind::Nginx | Kind::NginxLogin => nginx(&folder, &door, port, kind)?,
            _ => apache(&folder, &door, port, kind)?,
        };
        wait_for(port);
        Some(Self { port, _server: server, _wrap: wrap })
    }

    /// The address of a repository, with a user name and password where some are given.
    pub fn url(&self, login: &str, path: &str) -> String {
        let at = if login.is_empty() { "" } else { "@" };
        format!("http://{login}{at}127.0.0.1:{}/{path}", self.port)
    }

    /// Runs git in somebody's clone with these arguments; `URL` in them is the repository's address.
    pub fn git(&self, person: &Person, login: &str, arguments: &[&str]) -> Output {
        let mut command = person.command();
        for argument in arguments {
            command.arg(argument.replace("URL", &self.url(login, "app.git")));
        }
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Pushes.
    pub fn push(&self, repo: &Repo, person: &Person, login: &str, arguments: &[&str]) -> Outcome {
        let arguments = [&["push", "URL"], arguments].concat();
        Outcome::of(repo, || self.git(person, login, &arguments))
    }

    /// Sends bytes and gives what comes back until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }

    /// A connection that does not wait for ever.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// The same from another address of the loopback.
    pub fn connect_from(&self, address: [u8; 4]) -> TcpStream {
        use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
        use std::net::SocketAddrV4;
        let stream = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&stream, &SocketAddrV4::new(address.into(), 0)).unwrap();
        connect(&stream, &SocketAddrV4::new([127, 0, 0, 1].into(), self.port)).unwrap();
        let stream = TcpStream::from(stream);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// One request for `path`, with further header lines; gives head and body without the date.
    pub fn get(&self, login: &str, path: &str, headers: &str) -> String {
        self.ask("GET", login, path, headers, b"")
    }

    /// The same by any method and with a body.
    pub fn ask(&self, method: &str, login: &str, path: &str, headers: &str, body: &[u8]) -> String {
        self.raw(&request(method, login, path, headers, body))
    }
}

/// The bytes of a request.
pub fn request(method: &str, login: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: git.test\r\nConnection: close\r\n");
    if !login.is_empty() {
        text.push_str(&format!("Authorization: Basic {}\r\n", base64(login)));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    text.push_str(headers);
    [text.as_bytes(), b"\r\n", body].concat()
}

/// A whole answer, without the header that changes by itself.
pub fn read(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    text.split_inclusive('\n').filter(|line| !line.starts_with("Date: ")).collect()
}

/// The status of an answer.
#[track_caller]
pub fn status(answer: &str) -> u16 {
    let word = answer.split(' ').nth(1).and_then(|word| word.parse().ok());
    word.unwrap_or_else(|| panic!("no answer by HTTP: {answer:?}"))
}

/// RFC 4648, by hand: the tests do not lean on what they test.
pub fn base64(bytes: impl AsRef<[u8]>) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.as_ref().chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        let digits = (0..=chunk.len()).map(|at| LETTERS[((bits >> (18 - 6 * at)) & 63) as usize]);
        out.extend(digits.map(char::from));
        out.push_str(&"=".repeat(3 - chunk.len()));
    }
    out
}

/// fcgiwrap with the arguments that the document shows.
fn wrap(folder: &Path, door: &Path) -> Option<Daemon> {
    let program = find_program("fcgiwrap")?;
    let service = block("service");
    let line = service.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let line = swapped(line, &[(PROGRAM, &door.display().to_string())]);
    assert!(block("socket").contains(&format!("ListenStream={SOCKET}\n")));
    let socket = folder.join("fcgi");
    let mut command = Command::new(program);
    command.args(line.split(' ').skip(1)).arg("-s").arg(format!("unix:{}", socket.display()));
    // Whatever stands in the environment of the wrapper is not the client's, and not ours either.
    command.env_clear().env("HOME", folder).env("GIT_HTTP_EXPORT_ALL", "");
    let daemon = quiet(command, &folder.join("wrap.log"));
    wait_until("fcgiwrap listens", || socket.exists());
    crate::support::chmod(&socket, 0o666);
    Some(daemon)
}

fn quiet(mut command: Command, log: &Path) -> Daemon {
    let log = std::fs::File::create(log).unwrap();
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    Daemon(command.spawn().unwrap())
}

fn htpasswd(kind: Kind) -> String {
    let password = |word: &str| match kind {
        Kind::Nginx | Kind::NginxLogin => format!("{{PLAIN}}{word}"),
        _ => {
            use sha1::Digest;
            format!("{{SHA}}{}", base64(sha1::Sha1::digest(word)))
        }
    };
    let people = ["alice", "bob", "carol", "dave", "mallory"];
    people.map(|name| format!("{name}:{}\n", password(&format!("{name}-pw")))).concat()
}

fn nginx(folder: &Path, door: &Path, port: u16, kind: Kind) -> Option<Daemon> {
    let program = find_program("nginx")?;
    let at = folder.display();
    let mut server = block("nginx");
    if kind == Kind::NginxLogin {
        let login = block("nginx login");
        server =
            swapped(&server, &[("    location / {\n", &format!("    location / {{\n{login}"))]);
        server = swapped(&server, &[("/etc/nginx/git.htpasswd", &format!("{at}/htpasswd"))]);
    }
    let server = swapped(
        &without_tls(&server),
        &[
            ("listen 443 ssl;", &format!("listen 127.0.0.1:{port};")),
            (SOCKET, &format!("{at}/fcgi")),
            (PROGRAM, &door.display().to_string()),
        ],
    );
    let user = if is_root() { "user root;" } else { "" };
    let temp: String = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}/{kind};\n"))
        .concat();
    let config = format!(
        "daemon off;\nmaster_process off;\npid {at}/nginx.pid;\n{user}\nevents {{}}\nhttp {{\naccess_log off;\n{temp}{server}}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-p").arg(folder).arg("-c").arg(folder.join("nginx.conf"));
    command.arg("-e").arg(folder.join("error.log"));
    Some(quiet(command, &folder.join("nginx.log")))
}

fn apache(folder: &Path, door: &Path, port: u16, kind: Kind) -> Option<Daemon> {
    let program = find_program("apache2")?;
    let at = folder.display();
    let host = match kind {
        Kind::ApacheCgi(_) => block("apache cgi"),
        _ => swapped(&block("apache"), &[(SOCKET, &format!("{at}/fcgi"))]),
    };
    let mut pairs = vec![("*:443", format!("127.0.0.1:{port}"))];
    pairs.push((PROGRAM, door.display().to_string()));
    if kind == Kind::ApacheLogin {
        let login = format!(
            "AuthType Basic\nAuthName git\nAuthBasicProvider file\nAuthUserFile {at}/htpasswd\nRequire valid-user\n"
        );
        pairs.push(("Require all granted\n", login));
    }
    if let Kind::ApacheCgi(_) = kind {
        pairs.push(("/usr/local/lib/refwarden", door.parent().unwrap().display().to_string()));
    }
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(from, to)| (*from, to.as_str())).collect();
    let host = swapped(&without_tls(&host), &pairs);
    let user = match kind {
        _ if !is_root() => String::new(),
        Kind::ApacheCgi(account) => format!("User {account}\nGroup {account}\n"),
        _ => "User nobody\nGroup nogroup\n".into(),
    };
    let modules: String = [
        "mpm_event",
        "authz_core",
        "authz_user",
        "authn_core",
        "authn_file",
        "auth_basic",
        "proxy",
        "proxy_fcgi",
        "alias",
        "cgid",
    ]
    .map(|name| format!("LoadModule {name}_module {}\n", module(name).display()))
    .concat();
    let config = format!(
        "ServerRoot {at}\nPidFile {at}/apache.pid\nScriptSock {at}/cgid\nServerName git.test\n\
         Listen 127.0.0.1:{port}\n{user}{modules}ErrorLog {at}/error.log\nLogLevel warn\nStartServers 1\n{host}"
    );
    std::fs::write(folder.join("apache.conf"), config).unwrap();
    let mut command = Command::new(program);
    command.arg("-f").arg(folder.join("apache.conf")).arg("-DFOREGROUND");
    Some(quiet(command, &folder.join("apache.log")))
}

fn module(name: &str) -> PathBuf {
    Path::new("/usr/lib/apache2/modules").join(format!("mod_{name}.so"))
}
