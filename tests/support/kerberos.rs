//! A Kerberos realm of its own: MIT's KDC on a loopback port, and Apache with mod_auth_gssapi in front of a test hub.
//!
//! Apache does the negotiation, as in front of a real hub, and tells the hub who it is in a header. Both programs are
//! children of the test and end with it.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::peers;

/// The realm's only user and their password.
pub(crate) const USER: &str = "packager";
const PASSWORD: &str = "secret";
const REALM: &str = "EXAMPLE.TEST";

/// Header in which Apache tells the hub who logged in.
pub(crate) const USER_HEADER: &str = "X-Remote-User";

/// A running realm with a web server in it.
pub(crate) struct Realm {
    folder: PathBuf,
    children: Vec<Child>,
    https_port: u16,
}

impl Realm {
    /// Starts KDC and web server in `folder`; the web server hands everything to the hub at `127.0.0.1:hub_port`, with the
    /// TLS certificate and key given as PEM files. `None` where a program is missing.
    pub(crate) fn start(folder: &Path, hub_port: u16, certificate: &Path, key: &Path) -> Option<Realm> {
        let kdb5_util = peers::program("kdb5_util")?;
        let kadmin = peers::program("kadmin.local")?;
        let krb5kdc = peers::program("krb5kdc")?;
        let apache = peers::program("apache2").or_else(|| peers::program("httpd"))?;
        let modules = ["/usr/lib/apache2/modules", "/usr/lib64/httpd/modules"].map(PathBuf::from);
        let modules = modules.iter().find(|folder| folder.join("mod_auth_gssapi.so").exists());
        let modules =
            modules.cloned().or_else(|| peers::present(Path::new("mod_auth_gssapi.so")).then(PathBuf::new))?;
        peers::program("kinit")?;

        let kdc_port = free_port();
        let https_port = free_port();
        let mut realm = Realm { folder: folder.to_owned(), children: Vec::new(), https_port };
        fs::write(folder.join("krb5.conf"), krb5_conf(kdc_port)).unwrap();
        fs::write(folder.join("kdc.conf"), kdc_conf(folder, kdc_port)).unwrap();
        realm.run(&kdb5_util, &["create", "-s", "-r", REALM, "-P", "master"]);
        let keytab = folder.join("http.keytab");
        let export = format!("ktadd -k {} HTTP/localhost", keytab.display());
        for query in ["addprinc -randkey HTTP/localhost", &format!("addprinc -pw {PASSWORD} {USER}"), &export] {
            realm.run(&kadmin, &["-r", REALM, "-q", query]);
        }
        realm.spawn(&krb5kdc, &["-n", "-r", REALM]);
        realm.make_readable_for_the_web_server(&keytab);
        let conf = apache_conf(folder, &modules, https_port, hub_port, certificate, key, &keytab);
        fs::write(folder.join("apache.conf"), conf).unwrap();
        let conf = folder.join("apache.conf");
        realm.spawn(&apache, &["-DFOREGROUND", "-f", conf.to_str().unwrap()]);
        for port in [kdc_port, https_port] {
            wait_for(port);
        }
        Some(realm)
    }

    /// The hub's address through the web server.
    pub(crate) fn hub_url(&self) -> String {
        format!("https://localhost:{}/kojihub", self.https_port)
    }

    /// What a client needs in its environment: the realm's configuration and a credential cache.
    pub(crate) fn environment(&self, cache: &str) -> [(&'static str, String); 2] {
        [
            ("KRB5_CONFIG", self.folder.join("krb5.conf").display().to_string()),
            ("KRB5CCNAME", format!("FILE:{}", self.folder.join(cache).display())),
        ]
    }

    /// Gets a ticket for the user into a credential cache, e.g. with `lifetime` "2s".
    pub(crate) fn kinit(&self, cache: &str, lifetime: &str) {
        let mut command = Command::new("kinit");
        command.args(["-l", lifetime, USER]).envs(self.environment(cache));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("kinit starts");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), format!("{PASSWORD}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "kinit: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Waits until the tickets of a credential cache have ended.
    pub(crate) fn await_end(&self, cache: &str) {
        let is_valid =
            || Command::new("klist").arg("-s").envs(self.environment(cache)).status().expect("klist").success();
        while is_valid() {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn command(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env("KRB5_CONFIG", self.folder.join("krb5.conf"))
            .env("KRB5_KDC_PROFILE", self.folder.join("kdc.conf"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, program: &Path, args: &[&str]) {
        let output = self.command(program, args).output().expect("the program starts");
        assert!(output.status.success(), "{} {args:?}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    }

    fn spawn(&mut self, program: &Path, args: &[&str]) {
        let log = fs::File::create(self.folder.join(format!("{}.out", args.len()))).unwrap();
        let child = self
            .command(program, args)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("the program starts");
        self.children.push(child);
    }

    /// Started by root, Apache's workers run as another user, who has to read the keytab.
    fn make_readable_for_the_web_server(&self, keytab: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(keytab, fs::Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(&self.folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        for child in &mut self.children {
            // Apache's parent takes its workers with it on SIGTERM, but not on SIGKILL.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline && matches!(child.try_wait(), Ok(None)) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn wait_for(port: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "nothing listens on port {port}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn krb5_conf(kdc_port: u16) -> String {
    format!(
        "[libdefaults]\n default_realm = {REALM}\n dns_lookup_kdc = false\n dns_lookup_realm = false\n rdns = false\n \
         dns_canonicalize_hostname = false\n udp_preference_limit = 1\n[realms]\n {REALM} = {{\n  kdc = 127.0.0.1:{kdc_port}\n }}\n\
         [domain_realm]\n localhost = {REALM}\n"
    )
}

fn kdc_conf(folder: &Path, kdc_port: u16) -> String {
    let folder = folder.display();
    format!(
        "[kdcdefaults]\n kdc_listen = 127.0.0.1:{kdc_port}\n kdc_tcp_listen = 127.0.0.1:{kdc_port}\n[realms]\n {REALM} = {{\n  \
         database_name = {folder}/principal\n  key_stash_file = {folder}/stash\n  acl_file = {folder}/acl\n }}\n[logging]\n \
         kdc = FILE:{folder}/kdc.log\n admin_server = FILE:{folder}/kadmin.log\n default = FILE:{folder}/krb5.log\n"
    )
}

fn apache_conf(
    folder: &Path,
    modules: &Path,
    port: u16,
    hub_port: u16,
    certificate: &Path,
    key: &Path,
    keytab: &Path,
) -> String {
    let load = |names: &[&str]| -> String {
        let there = names.iter().filter(|name| modules.join(format!("mod_{name}.so")).exists());
        there.map(|name| format!("LoadModule {name}_module {}/mod_{name}.so\n", modules.display())).collect()
    };
    let modules = load(&[
        "mpm_event",
        "unixd",
        "authz_core",
        "authn_core",
        "authz_user",
        "headers",
        "proxy",
        "proxy_http",
        "ssl",
        "auth_gssapi",
    ]);
    let user = if fs::metadata("/proc/self").is_ok_and(|meta| std::os::unix::fs::MetadataExt::uid(&meta) == 0) {
        let name = if Path::new("/etc/debian_version").exists() { "www-data" } else { "apache" };
        format!("User {name}\nGroup {name}\n")
    } else {
        String::new()
    };
    let (folder, certificate, key, keytab) = (folder.display(), certificate.display(), key.display(), keytab.display());
    format!(
        "ServerRoot {folder}\nDefaultRuntimeDir {folder}\nPidFile {folder}/apache.pid\nServerName localhost\n{modules}{user}\
         ErrorLog {folder}/apache.log\nStartServers 1\nListen 127.0.0.1:{port}\nSSLEngine on\nSSLCertificateFile {certificate}\n\
         SSLCertificateKeyFile {key}\nRequestHeader unset {USER_HEADER}\nProxyPass / http://127.0.0.1:{hub_port}/\n\
         <Location /kojihub/ssllogin>\n AuthType GSSAPI\n AuthName GSSAPI\n GssapiCredStore keytab:{keytab}\n Require valid-user\n \
         RequestHeader set {USER_HEADER} expr=%{{REMOTE_USER}}\n</Location>\n"
    )
}
