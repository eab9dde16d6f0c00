//! nginx with basic authentication, fcgiwrap and git-http-backend: the source `remote-user`.

use super::{free_port, wait_for};
use crate::support::{Guard, Outcome, Person, Policy, Repo, Site, find_program, skip, wait_until};
use std::process::{Command, Stdio};

struct Server {
    port: u16,
    _children: [Guard; 2],
}

impl Server {
    fn start(site: &Site) -> Option<Self> {
        let (nginx, wrap) = (find_program("nginx")?, find_program("fcgiwrap")?);
        let folder = site.path("http");
        std::fs::create_dir(&folder).unwrap();
        let exec_path = site.git().run(&folder, &["--exec-path"]);
        let socket = folder.join("fcgi");
        let mut command = Command::new(wrap);
        command.arg("-s").arg(format!("unix:{}", socket.display())).env_clear();
        command
            .env("PATH", format!("{exec_path}:/usr/bin:/bin"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", &folder);
        let wrap = Guard::new(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        wait_until("fcgiwrap listens", || socket.exists());
        std::fs::write(folder.join("htpasswd"), "alice:{PLAIN}wonder\nbob:{PLAIN}builder\n")
            .unwrap();
        let port = free_port();
        std::fs::write(folder.join("nginx.conf"), Self::config(site, port, &exec_path)).unwrap();
        let mut command = Command::new(nginx);
        command
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .arg("-e")
            .arg(folder.join("error.log"));
        let nginx = Guard::new(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        );
        wait_for(port);
        Some(Self { port, _children: [nginx, wrap] })
    }

    fn config(site: &Site, port: u16, exec_path: &str) -> String {
        let user = if crate::support::is_root() { "user root;" } else { "" };
        let temp: String = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", site.path("http").display()))
            .concat();
        let params: String = [
            ("SCRIPT_FILENAME", format!("{exec_path}/git-http-backend")),
            ("GIT_PROJECT_ROOT", site.path("root").display().to_string()),
            ("GIT_HTTP_EXPORT_ALL", "1".into()),
            ("PATH_INFO", "$uri".into()),
            ("QUERY_STRING", "$query_string".into()),
            ("REQUEST_METHOD", "$request_method".into()),
            ("CONTENT_TYPE", "$content_type".into()),
            ("CONTENT_LENGTH", "$content_length".into()),
            ("REMOTE_USER", "$remote_user".into()),
            ("REMOTE_ADDR", "$remote_addr".into()),
        ]
        .map(|(name, value)| format!("fastcgi_param {name} \"{value}\";\n"))
        .concat();
        let folder = site.path("http").display().to_string();
        format!(
            "daemon off;\nmaster_process off;\npid {folder}/nginx.pid;\n{user}\nevents {{}}\nhttp {{\naccess_log off;\n{temp}\
             client_max_body_size 0;\nserver {{\nlisten 127.0.0.1:{port};\nlocation / {{\nauth_basic git;\n\
             auth_basic_user_file {folder}/htpasswd;\nfastcgi_pass unix:{folder}/fcgi;\n{params}}}\n}}\n}}\n"
        )
    }

    fn push(
        &self,
        repo: &Repo,
        person: &Person,
        login: &str,
        headers: &[&str],
        refspecs: &[&str],
    ) -> Outcome {
        let url = format!("http://{login}@127.0.0.1:{}/app.git", self.port);
        Outcome::of(repo, || {
            let mut command = person.command();
            for header in headers {
                command.arg("-c").arg(format!("http.extraHeader={header}"));
            }
            command.args(["push", &url]).args(refspecs).stdin(Stdio::null()).output().unwrap()
        })
    }
}

fn started() -> Option<(Site, Repo, Person, Server)> {
    let site = Site::new(&Policy::default().sources("[\"remote-user\"]"));
    let (repo, alice) = site.started();
    let server = Server::start(&site)?;
    Some((site, repo, alice.nameless(), server))
}

#[test]
fn a_push_over_http_is_judged_by_the_login() {
    let Some((site, repo, person, server)) = started() else {
        return skip("no nginx or no fcgiwrap");
    };
    person.commit("a", "1\n");
    server
        .push(&repo, &person, "bob:builder", &[], &["main"])
        .refused("RW201")
        .says("you are bob (remote-user)");
    server.push(&repo, &person, "alice:wonder", &[], &["main"]).silent();
    let actor = site.trail().last_decision()["actor"].clone();
    assert_eq!(actor["user"], "alice");
    assert_eq!(actor["address"], "127.0.0.1");
}

#[test]
fn a_wrong_password_never_reaches_the_hooks() {
    let Some((site, repo, person, server)) = started() else {
        return skip("no nginx or no fcgiwrap");
    };
    person.commit("a", "1\n");
    let push = server.push(&repo, &person, "alice:guess", &[], &["main"]);
    assert!(!push.ok);
    push.nothing_moved();
    assert!(site.trail().events("push.decided").is_empty());
}

#[test]
fn headers_of_the_client_do_not_change_who_it_is() {
    let Some((_site, repo, person, server)) = started() else {
        return skip("no nginx or no fcgiwrap");
    };
    person.commit("a", "1\n");
    let headers = [
        "Remote-User: alice",
        "Remote_User: alice",
        "X-Forwarded-User: alice",
        "X-Remote-User: alice",
        "User: alice",
    ];
    server
        .push(&repo, &person, "bob:builder", &headers, &["main"])
        .refused("RW201")
        .says("you are bob");
}

#[test]
fn a_big_push_in_chunks_is_judged_alike() {
    let Some((_site, repo, person, server)) = started() else {
        return skip("no nginx or no fcgiwrap");
    };
    // Bytes that do not compress, past git's buffer for one request.
    let mut state = 1_u64;
    let noise: String = (0..400_000)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'!' + u8::try_from((state >> 33) % 90).unwrap())
        })
        .collect();
    for n in 0..4 {
        person.commit(&format!("noise{n}"), &noise[n * 1000..]);
    }
    person.run(&["config", "http.postBuffer", "65536"]);
    server.push(&repo, &person, "bob:builder", &[], &["main"]).refused("RW201");
    server.push(&repo, &person, "alice:wonder", &[], &["main"]).silent();
}
