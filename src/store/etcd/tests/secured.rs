//! TLS with client certificates, users with passwords, and the files that hold secrets.

use super::cluster::{Cluster, Setup, open, shared};
use super::*;
use crate::policy::model::SharedStore;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const DEADLINE: Duration = Duration::from_millis(1500);
const PASSWORD: &str = "correct horse battery staple";

fn run(folder: &Path, program: &str, arguments: &[&str]) {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().env("PATH", "/usr/bin:/bin");
    let output = command.env("ETCDCTL_API", "3").output().unwrap();
    assert!(output.status.success(), "{program} {arguments:?}: {output:?}");
}

fn openssl(folder: &Path, line: &str) {
    run(folder, "openssl", &line.split(' ').collect::<Vec<_>>());
}

/// `NAME.pem` and `NAME.key`, an authority.
fn authority(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
             -subj /CN={name} -keyout {name}.key -out {name}.pem \
             -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign"
        ),
    );
}

/// `NAME.pem` and `NAME.key`, signed by `ca`, for both ends: the gateway calls its own member.
fn certificate(folder: &Path, ca: &str, name: &str, subject: &str) {
    let extensions = "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";
    std::fs::write(folder.join("extensions"), extensions).unwrap();
    openssl(
        folder,
        &format!(
            "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /{subject}={name} \
             -keyout {name}.key -out {name}.csr"
        ),
    );
    openssl(
        folder,
        &format!(
            "x509 -req -in {name}.csr -CA {ca}.pem -CAkey {ca}.key -CAcreateserial -days 2 \
             -extfile extensions -out {name}.pem"
        ),
    );
}

fn private(path: &Path) {
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
}

fn path(folder: &Path, name: &str) -> Box<str> {
    folder.join(name).display().to_string().into()
}

fn identity(folder: &Path, name: &str) -> Option<(Box<str>, Box<str>)> {
    private(&folder.join(format!("{name}.key")));
    Some((path(folder, &format!("{name}.pem")), path(folder, &format!("{name}.key"))))
}

fn ask_epoch(shared: &SharedStore) -> Result<Option<u64>, StoreError> {
    open(shared, DEADLINE).epoch()
}

#[test]
fn tls_with_client_certificates() {
    let files = tempfile::tempdir().unwrap();
    let folder = files.path();
    authority(folder, "ca");
    authority(folder, "other");
    certificate(folder, "ca", "server", "CN");
    certificate(folder, "ca", "client", "O");
    certificate(folder, "ca", "named", "CN");
    certificate(folder, "other", "stranger", "O");
    let flag = |flag: &str, name: &str| [flag.to_owned(), path(folder, name).into()];
    let mut arguments: Vec<String> = [
        flag("--cert-file", "server.pem"),
        flag("--key-file", "server.key"),
        flag("--trusted-ca-file", "ca.pem"),
    ]
    .into_iter()
    .flatten()
    .collect();
    arguments.push("--client-cert-auth".into());
    arguments.extend(["--bcrypt-cost".to_owned(), "4".to_owned()]);
    let cluster = Cluster::start(1, &Setup { arguments, tls: true });
    let right = SharedStore {
        ca: Some(path(folder, "ca.pem")),
        identity: identity(folder, "client"),
        ..shared(&cluster.urls(), "/tls")
    };
    assert!(open(&right, Duration::from_secs(20)).create().unwrap());
    lend(&open(&right, DEADLINE), &id(1), "bob", 1);

    let other = SharedStore { ca: Some(path(folder, "other.pem")), ..right.clone() };
    assert!(is_unavailable(ask_epoch(&other)).contains("certificate"));
    let public = SharedStore { ca: None, ..right.clone() };
    assert!(is_unavailable(ask_epoch(&public)).contains("certificate"));
    is_unavailable(ask_epoch(&SharedStore { identity: None, ..right.clone() }));
    let stranger = SharedStore { identity: identity(folder, "stranger"), ..right.clone() };
    is_unavailable(ask_epoch(&stranger));
    let url = cluster.urls()[0].replace("https://", "http://");
    is_unavailable(ask_epoch(&shared(&[url], "/tls")));
    files_are_tested(folder, &right);
    with_users_too(folder, &cluster, &right);
}

/// Keys that others can read, that are not the certificate's, that are no keys.
fn files_are_tested(folder: &Path, right: &SharedStore) {
    let refused = |shared: &SharedStore| match ask_epoch(shared) {
        Err(StoreError::Trust(error)) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let mut pair = right.clone();
    pair.identity = Some((path(folder, "client.pem"), path(folder, "server.key")));
    private(&folder.join("server.key"));
    assert!(refused(&pair).contains("not the key of the certificate"), "{}", refused(&pair));
    pair.identity = Some((path(folder, "client.pem"), path(folder, "client.csr")));
    private(&folder.join("client.csr"));
    assert!(refused(&pair).contains("not a private key"));
    let key = folder.join("client.key");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o640)).unwrap();
    let words = refused(right);
    assert!(words.contains("client.key") && words.contains("can read it"), "{words}");
    private(&key);
    let none = SharedStore { ca: Some(path(folder, "extensions")), ..right.clone() };
    assert!(refused(&none).contains("no certificate"));
    std::fs::set_permissions(folder.join("ca.pem"), PermissionsExt::from_mode(0o666)).unwrap();
    assert!(refused(right).contains("can be written"));
    std::fs::set_permissions(folder.join("ca.pem"), PermissionsExt::from_mode(0o644)).unwrap();
    ask_epoch(right).unwrap();
}

/// The certificate opens the connection, the password says who.
fn with_users_too(folder: &Path, cluster: &Cluster, right: &SharedStore) {
    let url = &cluster.urls()[0];
    let tls = ["--cacert", "ca.pem", "--cert", "client.pem", "--key", "client.key"];
    users(|arguments| {
        let all = [&["--endpoints", url], &tls[..], arguments].concat();
        run(folder, "etcdctl", &all);
    });
    is_unavailable(ask_epoch(right));
    let login = SharedStore { login: Some(login(folder, PASSWORD)), ..right.clone() };
    ask_epoch(&login).unwrap();
    // etcd would ignore the name, and says so: a certificate for the gateway has none.
    let named = SharedStore { identity: identity(folder, "named"), ..login };
    assert!(is_unavailable(ask_epoch(&named)).contains("CommonName"));
}

/// A user `refwarden` who may touch `/tls/` and nothing else.
fn users(etcdctl: impl Fn(&[&str])) {
    etcdctl(&["user", "add", "root:secret"]);
    etcdctl(&["user", "grant-role", "root", "root"]);
    etcdctl(&["role", "add", "refwarden"]);
    etcdctl(&["role", "grant-permission", "refwarden", "--prefix=true", "readwrite", "/tls/"]);
    etcdctl(&["user", "add", &format!("refwarden:{PASSWORD}")]);
    etcdctl(&["user", "grant-role", "refwarden", "refwarden"]);
    etcdctl(&["auth", "enable"]);
}

fn login(folder: &Path, password: &str) -> (Box<str>, Box<str>) {
    let file = folder.join(format!("password-{}", password.len()));
    std::fs::write(&file, format!("{password}\n")).unwrap();
    private(&file);
    ("refwarden".into(), file.display().to_string().into())
}

#[test]
fn users_and_passwords() {
    let setup = Setup { arguments: vec!["--bcrypt-cost".into(), "4".into()], tls: false };
    let mut cluster = Cluster::start(1, &setup);
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let url = cluster.urls()[0].clone();
    let etcdctl = |arguments: &[&str]| {
        run(folder, "etcdctl", &[&["--endpoints", &url], arguments].concat());
    };
    let right =
        SharedStore { login: Some(login(folder, PASSWORD)), ..shared(&cluster.urls(), "/tls") };
    // Nobody has switched users on.
    assert!(is_unavailable(ask_epoch(&right)).contains("refwarden"));
    users(etcdctl);
    let store = open(&right, Duration::from_secs(15));
    assert!(store.create().unwrap());
    lend(&store, &id(1), "bob", 1);
    // Leases and claims too are for whoever logs in.
    store.commit_recorded(&ask(&id(2), "bob", 0), &mut || true).unwrap().unwrap();
    assert!(store.commit_recorded(&ask(&id(3), "bob", 0), &mut || false).unwrap().is_none());
    store.commit_recorded(&ask(&id(3), "bob", 0), &mut || true).unwrap().unwrap();

    is_unavailable(ask_epoch(&shared(&cluster.urls(), "/tls")));
    let wrong = SharedStore { login: Some(login(folder, "wrong horse")), ..right.clone() };
    let words = is_unavailable(ask_epoch(&wrong));
    assert!(words.contains("can't log in") && !words.contains("horse"), "{words}");
    let elsewhere = SharedStore { prefix: "/another".into(), ..right.clone() };
    assert!(is_unavailable(ask_epoch(&elsewhere)).contains("permission denied"));
    let network = SharedStore { endpoints: vec!["http://192.0.2.1:2379".into()], ..right.clone() };
    assert!(is_unavailable(ask_epoch(&network)).contains("without TLS"));
    let shown = format!("{store:?}");
    assert!(!shown.contains(PASSWORD) && !shown.contains("token"), "{shown}");

    // Whoever changes users makes every token old; a member that starts again forgets them.
    let root = ["--user", "root:secret"];
    etcdctl(&[&root[..], &["role", "add", "more"]].concat());
    store.commit(&reserve(&id(1), 2, "p")).unwrap();
    cluster.members[0].kill();
    cluster.start_member(0);
    store.commit(&append(&id(1), 3, 30, Actor::rule(), What::Spent { key: "p".into() })).unwrap();

    let open_to_all = login(folder, PASSWORD);
    std::fs::set_permissions(&*open_to_all.1, PermissionsExt::from_mode(0o644)).unwrap();
    match ask_epoch(&SharedStore { login: Some(open_to_all), ..right }) {
        Err(StoreError::Trust(error)) => assert!(error.to_string().contains("can read it")),
        other => panic!("{other:?}"),
    }
}

/// Prints what docs/measured.md says; run it alone, with `--ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn measure_logging_in() {
    for cost in ["10", "4"] {
        let setup = Setup { arguments: vec!["--bcrypt-cost".into(), cost.into()], tls: false };
        let cluster = Cluster::start(3, &setup);
        let folder = tempfile::tempdir().unwrap();
        let url = cluster.urls()[0].clone();
        cluster.made("/tls");
        users(|arguments| {
            run(folder.path(), "etcdctl", &[&["--endpoints", &url], arguments].concat());
        });
        let login = Some(login(folder.path(), PASSWORD));
        let shared = SharedStore { login, ..shared(&cluster.urls(), "/tls") };
        let mut times: Vec<Duration> = (0..51)
            .map(|_| {
                let start = std::time::Instant::now();
                ask_epoch(&shared).unwrap();
                start.elapsed()
            })
            .collect();
        times.sort();
        println!("login, --bcrypt-cost {cost}, and the epoch: median {:?}", times[25]);
    }
}
