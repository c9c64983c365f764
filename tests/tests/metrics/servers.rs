//! Real servers of figures on loopback, started without systemd. Each goes with the drill.

use std::fs::File;
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tests::program::{until, write};

/// A free port on loopback.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free")
}

/// A program under way, ended with the drill.
struct Server(Child);

impl Server {
    fn start(command: &mut Command, log: File, what: &str) -> Server {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        Server(child.unwrap_or_else(|error| panic!("{what} is missing ({error}): run `scripts/setup`")))
    }

    /// Waits until it listens.
    fn wait(&mut self, address: SocketAddr, what: &str) {
        until(&format!("{what} listens"), || {
            let ended = self.0.try_wait().expect("it can be waited for");
            assert!(ended.is_none(), "{what} has ended: {ended:?}");
            TcpStream::connect(address).ok()
        });
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Ended already is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Debian's `prometheus-node-exporter`: figures of this machine.
pub struct NodeExporter {
    address: SocketAddr,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl NodeExporter {
    pub fn start() -> NodeExporter {
        let (address, folder) = (free(), tempfile::tempdir().expect("a temporary folder"));
        let log = File::create(folder.path().join("log")).expect("a file");
        let mut command = Command::new("prometheus-node-exporter");
        command.args(["--collector.disable-defaults", "--collector.cpu", "--collector.loadavg"]);
        command.arg(format!("--web.listen-address={address}"));
        let mut server = Server::start(&mut command, log, "prometheus-node-exporter");
        server.wait(address, "prometheus-node-exporter");
        NodeExporter { address, _server: server, _folder: folder }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Debian's `prometheus`, which asks the exporter every second.
pub struct Prometheus {
    address: SocketAddr,
    server: Server,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// With a history, in OpenMetrics' text.
    pub fn start(history: &str, scraped: SocketAddr) -> Prometheus {
        let (address, folder) = (free(), tempfile::tempdir().expect("a temporary folder"));
        let path = |name: &str| folder.path().join(name);
        write(&path("history"), history);
        let made = Command::new("promtool")
            .args(["tsdb", "create-blocks-from", "openmetrics"])
            .args([path("history"), path("data")])
            .output()
            .expect("promtool is missing: run `scripts/setup`");
        assert!(made.status.success(), "promtool made no history: {made:?}");
        write(
            &path("config"),
            format!(
                "global: {{ scrape_interval: 1s }}\nscrape_configs:\n- job_name: node\n  static_configs: [ {{ targets: [ '{scraped}' ] }} ]\n"
            ),
        );
        let mut command = Command::new("prometheus");
        command.arg(format!("--config.file={}", path("config").display()));
        command.arg(format!("--storage.tsdb.path={}", path("data").display()));
        command.arg(format!("--web.listen-address={address}"));
        // What the history ends with holds for as long as a slow machine may take for the drill.
        command.args(["--storage.tsdb.retention.time=60d", "--query.lookback-delta=20m", "--log.level=warn"]);
        let log = File::create(path("log")).expect("a file");
        let mut server = Server::start(&mut command, log, "prometheus");
        server.wait(address, "prometheus");
        Prometheus { address, server, _folder: folder }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it.
    pub fn stop(self) {
        drop(self.server);
    }
}

/// Debian's `graphite-web`, on Django's own server.
pub struct Graphite {
    address: SocketAddr,
    _server: Server,
    _folder: tempfile::TempDir,
}

impl Graphite {
    /// With these figures of `servers.production.load`, each with its second.
    pub fn start(figures: &[(i64, f64)]) -> Graphite {
        // Its modules are those of Debian's own Python.
        const PYTHON: &str = "/usr/bin/python3";
        let (address, folder) = (free(), tempfile::tempdir().expect("a temporary folder"));
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/graphite");
        let mut note = Command::new(PYTHON);
        note.arg(peers.join("note.py")).arg(folder.path().join("whisper/servers/production/load.wsp"));
        let mut note = note.stdin(Stdio::piped()).spawn().expect("Python is missing: run `scripts/setup`");
        let lines: String = figures.iter().map(|(second, figure)| format!("{second} {figure}\n")).collect();
        note.stdin.take().expect("it is piped").write_all(lines.as_bytes()).expect("it reads them");
        assert!(note.wait().expect("it ends").success(), "Python's whisper is missing: run `scripts/setup`");
        let log = File::create(folder.path().join("log")).expect("a file");
        let django = |words: &[&str]| {
            let mut command = Command::new(PYTHON);
            command.args(["-m", "django"]).args(words).env("PYTHONPATH", &peers).env("PYTHONDONTWRITEBYTECODE", "1");
            command.env("GRAPHITE_DRILL", folder.path()).env("GRAPHITE_SETTINGS_MODULE", "drill_settings");
            command.env("DJANGO_SETTINGS_MODULE", "graphite.settings");
            command
        };
        let tables = django(&["migrate", "--run-syncdb", "--verbosity=0"]).output().expect("Django can be run");
        assert!(tables.status.success(), "Django made no tables for events: {tables:?}");
        let mut command = django(&["runserver", "--noreload", &address.to_string()]);
        let mut server = Server::start(&mut command, log, "graphite-web");
        server.wait(address, "graphite-web");
        Graphite { address, _server: server, _folder: folder }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
