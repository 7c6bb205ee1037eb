use fedpkg_container_build::koji::{auth::*, call::Call, retry::*, session::*, submit, watch};
use fedpkg_container_build::*;
use std::time::Duration;
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let a: Vec<String> = std::env::args().collect();
    let (tx, mut rx) = event::channel();
    let p = std::thread::spawn(move || {
        while let Some(e) = rx.blocking_recv() {
            println!("{:?}", e.event);
        }
    });
    let s = HubSettings {
        server: a[1].parse().unwrap(),
        client: http::ClientOptions { serverca: Some("/tmp/rig/pki/ca.crt".into()), ..Default::default() },
        retry: RetryPolicy { max_retries: 30, interval: Duration::from_secs(20), anonymous: true, offline: None },
        auth_timeout: Duration::from_secs(60),
    };
    let mut s = Session::new(s, tx).unwrap();
    let cred = if a[2] == "krb" {
        Credentials::Kerberos { principal: None, proxy_user: None }
    } else {
        Credentials::Certificate { path: "/tmp/rig/pki/packager.pem".into(), proxy_user: None }
    };
    let t = std::time::Instant::now();
    if let Err(e) = s.log_in(cred).await {
        println!("{e} {:?}", std::error::Error::source(&e).map(|e| e.to_string()));
        return;
    }
    println!("login {:?}", t.elapsed());
    let calls = submit::Baseline::calls();
    let ans = s.multi_call(&calls).await.unwrap();
    let b = submit::Baseline::from_answers(ans[0].as_ref().ok(), ans[1].as_ref().ok());
    println!("{b:?}");
    let id = if a.len() > 3 {
        a[3].parse().unwrap()
    } else {
        let r = request::BuildRequest {
            artifact: request::Artifact::Container,
            source: "git+https://127.0.0.1/container/hello#aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa".into(),
            target: "f42-container-candidate".into(),
            namespace: None,
            repo_name: "hello".into(),
            git_branch: "f42".into(),
            commit: "a".into(),
            options: Default::default(),
            priority: None,
            channel: None,
        };
        submit::submit(&mut s, &r, b).await.unwrap()
    };
    println!("task {id} {:?}", t.elapsed());
    s.log_out().await;
    let (_k, mut i) = builder::interrupt();
    let o = watch::watch(
        &mut s,
        id,
        watch::WatchOptions {
            logs: Default::default(),
            tail: None,
            poll_interval: Duration::from_secs(6),
            links: koji::outcome::HubLinks {
                weburl: Some("https://w".into()),
                topurl: Some("https://127.0.0.1:18443/kojifiles".into()),
            },
        },
        &mut i,
    )
    .await;
    println!("{o:#?}");
    drop(s);
    p.join().unwrap();
}
