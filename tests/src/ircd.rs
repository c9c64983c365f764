//! Real servers of IRC for a drill: InspIRCd or ngIRCd, with Atheme for accounts, and people on another make of client.

use crate::program::{Home, free_port, until, write};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

/// What the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// With IRCv3: marks of accounts, SASL, what was said coming back.
    Inspircd,
    /// Without: it says who somebody is when it is asked, and shows certificates to nobody but its operators.
    Ngircd,
}

/// A network: a server and its services, on loopback.
pub struct Ircd {
    make: Make,
    folder: PathBuf,
    /// The port that people use.
    pub port: u16,
    /// The port with TLS.
    pub tls: u16,
    server: Option<Child>,
    services: Option<Child>,
}

/// Somebody on it.
pub struct Person {
    child: Child,
    input: ChildStdin,
    heard: Arc<Mutex<Vec<String>>>,
}

/// A program of Debian's that this drill needs.
fn program(name: &str, package: &str) -> Command {
    let found = ["/usr/sbin", "/usr/bin"].map(|folder| PathBuf::from(folder).join(name));
    let found = found.into_iter().find(|path| path.exists());
    Command::new(found.unwrap_or_else(|| panic!("{package} is missing: run scripts/setup")))
}

/// A certificate for `name` and its key, as this file in the folder; returns its SHA-256 fingerprint.
fn certify(folder: &Path, file: &str, name: &str) -> String {
    let made = program("openssl", "openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", &format!("/CN={name}")])
        .args(["-addext", &format!("subjectAltName=DNS:{name}"), "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", "key.pem", "-out", file])
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("openssl runs").success());
    let mut both = std::fs::read(folder.join(file)).expect("a certificate");
    both.extend(std::fs::read(folder.join("key.pem")).expect("a key"));
    write(&folder.join(file), both);
    let shown = program("openssl", "openssl")
        .args(["x509", "-noout", "-fingerprint", "-sha256", "-in", file])
        .current_dir(folder)
        .output()
        .expect("openssl runs");
    let shown = String::from_utf8_lossy(&shown.stdout).trim().replace(':', "").to_lowercase();
    shown.rsplit('=').next().unwrap_or_default().to_owned()
}

impl Ircd {
    /// A network whose files lie in this installation's folder.
    ///
    /// # Panics
    /// When a program is missing, or does not start.
    pub fn start(home: &Home, make: Make) -> Ircd {
        let [port, tls, link] = [(); 3].map(|()| free_port());
        let folder = home.path("ircd");
        std::fs::create_dir_all(&folder).expect("a folder");
        certify(&folder, "server.pem", "localhost");
        // ngIRCd would make these by itself, for minutes.
        let made = program("openssl", "openssl")
            .args(["genpkey", "-genparam", "-algorithm", "DH", "-pkeyopt", "group:ffdhe2048", "-out", "dh.pem"])
            .current_dir(&folder)
            .status();
        assert!(made.expect("openssl runs").success());
        let (protocol, uplink) = match make {
            Make::Inspircd => ("inspircd", link),
            Make::Ngircd => ("ngircd", port),
        };
        for (name, text) in [("inspircd.conf", INSPIRCD), ("ngircd.conf", NGIRCD), ("atheme.conf", SERVICES)] {
            let text = text.replace("{folder}", &folder.display().to_string()).replace("{protocol}", protocol);
            let ports = [("{port}", port), ("{tls}", tls), ("{link}", link), ("{uplink}", uplink)];
            let text = ports.into_iter().fold(text, |text, (name, port)| text.replace(name, &port.to_string()));
            write(&folder.join(name), text);
        }
        let mut ircd = Ircd { make, folder, port, tls, server: None, services: None };
        ircd.begin();
        ircd
    }

    /// A certificate for somebody, with its key in the same file, and its fingerprint.
    ///
    /// # Panics
    /// When it can not be made.
    pub fn certify(&self, name: &str) -> (PathBuf, String) {
        let file = format!("{name}.pem");
        let print = certify(&self.folder, &file, name);
        (self.folder.join(file), print)
    }

    /// Where the certificate of the server lies.
    pub fn certificate(&self) -> PathBuf {
        self.folder.join("server.pem")
    }

    /// Starts the server, and the services where they are not there yet.
    ///
    /// # Panics
    /// When one does not start.
    pub fn begin(&mut self) {
        let file = |name: &str| self.folder.join(name);
        let log = std::fs::File::options().create(true).append(true).open(file("log")).expect("a log");
        let out = || log.try_clone().expect("a log");
        let mut server = match self.make {
            Make::Inspircd => {
                let mut server = program("inspircd", "inspircd");
                server.args(["--nofork", "--runasroot", "--nopid"]);
                server.arg(format!("--config={}", file("inspircd.conf").display()));
                server
            }
            Make::Ngircd => {
                let mut server = program("ngircd", "ngircd");
                server.arg("--nodaemon").arg("--config").arg(file("ngircd.conf"));
                server
            }
        };
        let server = server.stdin(Stdio::null()).stdout(out()).stderr(out()).spawn();
        self.server = Some(server.expect("the server runs"));
        until("the server listens", || std::net::TcpStream::connect(("127.0.0.1", self.port)).ok());
        if self.services.is_none() {
            let services = program("atheme-services", "atheme-services")
                .args(["-n", "-c"])
                .arg(file("atheme.conf"))
                .arg("-l")
                .arg(file("services.log"))
                .arg("-p")
                .arg(file("services.pid"))
                .arg("-D")
                .arg(&self.folder)
                .stdin(Stdio::null())
                .stdout(out())
                .stderr(out())
                .spawn();
            self.services = Some(services.expect("atheme runs"));
        }
    }

    /// Kills the server where it stands.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill(&mut self) {
        let mut server = self.server.take().expect("it runs");
        server.kill().expect("it is ours");
        server.wait().expect("it ends");
    }

    /// Somebody comes: with an account, unless their password is `-`.
    ///
    /// # Panics
    /// When they do not get in.
    pub fn person(&self, nick: &str, password: &str) -> Person {
        self.let_in(nick, password, self.port, None)
    }

    /// Somebody without an account comes with this certificate.
    ///
    /// # Panics
    /// When they do not get in.
    pub fn person_with(&self, nick: &str, certificate: &Path) -> Person {
        self.let_in(nick, "-", self.tls, Some(certificate))
    }

    fn let_in(&self, nick: &str, password: &str, port: u16, certificate: Option<&Path>) -> Person {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/irc_py/people.py");
        // Debian's own, which has the package.
        let mut child = program("python3", "python3-irc")
            .args([script, "127.0.0.1", &port.to_string(), nick, password, "#ops"])
            .args(certificate)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 runs");
        let (input, output) = (child.stdin.take().expect("a pipe"), child.stdout.take().expect("a pipe"));
        let heard = Arc::<Mutex<Vec<String>>>::default();
        let into = heard.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                into.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(line);
            }
        });
        let person = Person { child, input, heard };
        person.until(&format!("{nick} joined"));
        person
    }
}

impl Drop for Ircd {
    fn drop(&mut self) {
        for child in [self.services.as_mut(), self.server.as_mut()].into_iter().flatten() {
            // It may have ended already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Person {
    /// Says this to a channel or a nick.
    ///
    /// # Panics
    /// When the client is gone.
    pub fn say(&mut self, target: &str, words: &str) {
        writeln!(self.input, "{target} {words}").expect("the client is there");
    }

    /// Everything heard so far.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }

    /// Waits for a line that holds this, and returns it.
    ///
    /// # Panics
    /// When it does not come.
    pub fn until(&self, what: &str) -> String {
        until(&format!("somebody on IRC reads `{what}`"), || self.heard().into_iter().find(|line| line.contains(what)))
    }

    /// Waits until so many lines hold this.
    ///
    /// # Panics
    /// When they do not come.
    pub fn until_times(&self, what: &str, times: usize) {
        let count = || self.heard().iter().filter(|line| line.contains(what)).count();
        until(&format!("somebody on IRC reads `{what}` {times} times"), || (count() >= times).then_some(()));
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// InspIRCd 3, with what accounts, certificates and labels need.
const INSPIRCD: &str = r#"
<server name="irc.test" description="drill" network="drill" id="00A">
<admin name="ana" nick="ana" email="ana@irc.test">
<bind address="127.0.0.1" port="{port}" type="clients">
<bind address="127.0.0.1" port="{link}" type="servers">
<bind address="127.0.0.1" port="{tls}" type="clients" sslprofile="drill">
<sslprofile name="drill" provider="gnutls" cafile="" certfile="{folder}/server.pem" keyfile="{folder}/server.pem" hash="sha256">
<connect name="all" allow="*" timeout="60" pingfreq="120" localmax="100" globalmax="100" useident="no" resolvehostnames="no">
<module name="ssl_gnutls"><module name="sslinfo"><module name="cap"><module name="ircv3"><module name="ircv3_accounttag">
<module name="ircv3_batch"><module name="ircv3_echomessage"><module name="ircv3_labeledresponse">
<module name="services_account"><module name="sasl"><module name="spanningtree">
<sasl target="services.test">
<link name="services.test" ipaddr="127.0.0.1" port="{link}" allowmask="127.0.0.1/32" sendpass="linkpass" recvpass="linkpass">
<uline server="services.test" silent="yes">
<log method="file" type="* -USERINPUT -USEROUTPUT" level="default" target="{folder}/server.log">
<performance quietbursts="yes">
"#;

/// ngIRCd 26.
const NGIRCD: &str = r#"
[Global]
Name = irc.test
Info = drill
AdminInfo1 = ana
Listen = 127.0.0.1
Ports = {port}
ServerUID = root
ServerGID = root
MotdPhrase = hello
[Limits]
MaxConnectionsIP = 0
MaxNickLength = 20
[Options]
DNS = no
Ident = no
PAM = no
[SSL]
CertFile = {folder}/server.pem
KeyFile = {folder}/server.pem
DHFile = {folder}/dh.pem
Ports = {tls}
[Server]
Name = services.test
MyPassword = linkpass
PeerPassword = linkpass
ServiceMask = *Serv
Passive = yes
"#;

/// Atheme 7.2, with NickServ, certificates and SASL.
const SERVICES: &str = r#"
loadmodule "modules/protocol/{protocol}";
loadmodule "modules/backend/opensex";
loadmodule "modules/crypto/pbkdf2v2";
loadmodule "modules/nickserv/main";
loadmodule "modules/nickserv/register";
loadmodule "modules/nickserv/identify";
loadmodule "modules/saslserv/main";
loadmodule "modules/saslserv/plain";
loadmodule "modules/saslserv/external";
loadmodule "modules/nickserv/cert";
serverinfo {
  name = "services.test"; desc = "services"; numeric = "00B"; recontime = 1; netname = "drill";
  adminname = "ana"; adminemail = "ana@irc.test"; registeremail = "ana@irc.test"; loglevel = { error; network; };
  maxnicks = 10; maxusers = 100; maxchans = 10; auth = none; casemapping = rfc1459;
};
uplink "irc.test" { host = "127.0.0.1"; send_password = "linkpass"; receive_password = "linkpass"; port = {uplink}; };
nickserv { nick = "NickServ"; user = "NickServ"; host = "services.test"; real = "services"; };
saslserv { nick = "SaslServ"; user = "SaslServ"; host = "services.test"; real = "services"; };
general { permissive_mode; };
"#;
