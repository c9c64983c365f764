//! `deckhand serve`: the bot itself, from its config to its last word.

use super::client::Door;
use super::say_line;
use super::{Placed, door_file, store_folder};
use crate::assembly::{self, Plan, Surroundings};
use crate::configured;
use crate::demo::{self, Demo};
use crate::gate::Bot;
use crate::gate::people::CONSOLE;
use crate::hooks::{self, Hooks};
use crate::jobs::{self, Schedule};
use crate::outbox;
use crate::platforms::console::messages::Messages;
use crate::platforms::console::session::Doors;
use crate::platforms::console::{Board, Console, Settings, router};
use crate::platforms::discord::gateway::Ended;
use crate::platforms::discord::health::Health;
use crate::platforms::discord::rest::Rest;
use crate::platforms::discord::run::Link;
use crate::platforms::discord::{self, Discord};
use crate::platforms::irc::{self, Irc, dial};
use crate::platforms::{Platform, Probe, probes};
use crate::settle::{self, Platforms};
use crate::store::SledStore;
use crate::upkeep;
use crate::world::{Clones, Folder, Internet, Programs};
use anyhow::{Context, Result, anyhow, bail};
use commands::clock::Clock;
use commands::ports::Wire;
use commands::redact::Redactor;
use config::Config;
use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// How often the clock is set by the machine's: it may have slept, or been corrected.
const SET_CLOCK: Duration = Duration::from_secs(30);

pub(super) async fn serve(place: &Placed) -> Result<u8> {
    log();
    let (found, demo) = match place.file() {
        Some(file) => (config::load(&file, &super::environment), None),
        None => {
            let data = place.data(None)?;
            make_private(&data)?;
            let demo = Demo::make(&data)?;
            let file = demo.config(demo_address()?)?;
            (config::load(&file, &super::environment), Some(demo))
        }
    };
    let (config, problems) = found;
    let plan = assembly::plan(&config, plugins::ALL, &problems);
    if !problems.is_empty() {
        super::print_problems(&problems);
        return Ok(2);
    }
    let data = place.data(Some(&config))?;
    make_private(&data)?;
    check_not_lost(&data)?;
    let clock = Clock::at(chrono::Utc::now());
    let store = SledStore::open(&store_folder(&data), clock.clone()).map_err(|error| anyhow!("{error}"))?;
    let store = Arc::new(store);
    let listeners = Listeners::open(&config).await?;
    let mut running = start(&config, plan, &data, clock, store.clone(), listeners, demo.as_ref()).await?;
    let failed = tokio::select! {
        asked = stop_signal() => asked.map(|()| None)?,
        // Without a platform that can fail, nobody ever says so.
        Some(failed) = running.failed.recv() => Some(failed),
    };
    eprintln!("Deckhand is stopping.");
    running.stop().await;
    store.close();
    failed.map_or(Ok(0), |ended| Err(ended.into()))
}

/// A bot at work, and what ends with it.
struct Running {
    bot: Arc<Bot>,
    services: CancellationToken,
    tasks: tokio::task::JoinSet<()>,
    /// What can not be done without, and has come to its end.
    failed: mpsc::Receiver<Ended>,
}

impl Running {
    /// Lets what is under way come to its end, then everything that stood around it.
    async fn stop(mut self) {
        self.bot.stop().await;
        self.services.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn start(
    config: &Config,
    mut plan: Plan,
    data: &Path,
    clock: Clock,
    store: Arc<SledStore>,
    listeners: Listeners,
    demo: Option<&Demo>,
) -> Result<Running> {
    let files = Arc::new(Folder::new(&data.join("files"))?);
    let redactor = HIDE.get_or_init(|| plan.redactor().clone());
    let backup = plan.backup.take().context("the backup's schedule was not read")?;
    let (discord, networks) = (plan.discord.take(), std::mem::take(&mut plan.networks));
    let internet = Arc::new(Internet::new()?);
    let wire: Arc<dyn Wire> = internet.clone();
    let launcher = Arc::new(Programs::new(files.clone(), redactor.clone()));
    let bot = plan.build(Surroundings {
        clock: clock.clone(),
        store: store.clone(),
        wire: wire.clone(),
        dial: internet,
        launcher: launcher.clone(),
        files: files.clone(),
        mirrors: Arc::new(Clones::new(data.join("mirrors"), launcher)),
    });
    bot.reload_grants().await?;
    if let Err(error) = configured::note(&bot, config).await {
        tracing::warn!("whether the config has changed can not be told: {error:#}");
    }
    let messages = Arc::new(Messages::new(store.clone(), clock.clone()));
    let board: Arc<dyn Platform> = Arc::new(Board(messages.clone()));
    let mut platforms = Platforms::from([(CONSOLE.to_owned(), board)]);
    let joined = match discord {
        Some(settings) => Some(join(settings, config, &bot, wire, store.clone(), files.clone(), &clock).await?),
        None => None,
    };
    if let Some(Joined { discord, .. }) = &joined {
        platforms.insert(discord::NAME.to_owned(), discord.clone());
    }
    let networks = join_networks(networks, config, &bot, &store)?;
    for irc in &networks {
        platforms.insert(irc.name().to_owned(), irc.clone());
    }
    settle::settle(&bot, &platforms).await?;
    let mut health: Vec<Arc<dyn Probe>> = networks.iter().map(|irc| irc.health() as Arc<dyn Probe>).collect();
    health.extend(joined.as_ref().map(|joined| joined.health.clone() as Arc<dyn Probe>));
    let doors = Doors::new(store.clone())?;
    let address = listeners.console.local_addr()?;
    write_door(&door_file(data), &Door { address: address.to_string(), token: doors.token().to_owned() })?;
    let settings = Settings {
        listen: address,
        public: config.console.public_url.clone(),
        people: config.console.speak_as.clone(),
        channels: config.channels.clone(),
        demo: demo.map(Demo::sites),
        links: demo.map_or_else(Vec::new, |_| demo::ENVIRONMENTS.map(str::to_owned).to_vec()),
    };
    let console = Console::new(bot.clone(), messages, doors, files.clone(), settings);
    let services = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(keep_time(clock.clone(), services.clone()));
    for platform in platforms.into_values() {
        tasks.spawn(outbox::deliver(platform, store.clone(), services.clone()));
    }
    for irc in networks {
        tasks.spawn(irc.run(services.clone()));
    }
    let (fails, failed) = mpsc::channel(1);
    if let Some(Joined { link, .. }) = joined {
        let services = services.clone();
        tasks.spawn(async move {
            if let Err(ended) = link.run(services).await {
                // Whoever listens has been told already that Deckhand stops.
                let _ = fails.send(ended).await;
            }
        });
    }
    let every = |line: &str| Schedule::parse(line, config.zone).map_err(|error| anyhow!("{error}"));
    let mut jobs = vec![
        upkeep::backup(&bot, backup, data.join("backups"), config.backup.keep),
        upkeep::reminders(&bot, every("* * * * *")?),
        upkeep::cleaning(&bot, every("17 4 * * *")?, files.clone()),
    ];
    jobs.extend(jobs::plugged(&bot));
    // sled lets one process in: a lease of one that was killed need not be waited out.
    let holder = "this machine".to_owned();
    tasks.spawn(jobs::keep(jobs, store, clock, holder.clone(), services.clone()));
    tasks.spawn(jobs::watch(bot.clone(), holder, services.clone()));
    let link = console.first_link()?;
    let metrics = probes::metrics(bot.clone(), health.clone());
    let page = router(console.clone()).merge(probes::routes(health)).merge(metrics);
    tasks.spawn(serve_http(listeners.console, page, services.clone()));
    if let Some(listener) = listeners.hooks {
        let (router, services) = (hooks::router(Hooks::new(&bot)), services.clone());
        let listener = listener.into_std().context("the listener of `[hooks]` can not be handed over")?;
        tasks.spawn_blocking(move || {
            if let Err(error) = serve_apart(listener, router, services) {
                tracing::error!("what listened to programs has ended: {error:#}");
            }
        });
    }
    let first_lines = demo.map_or_else(Vec::new, Demo::first_lines);
    tasks.spawn(async move {
        for line in first_lines {
            if let Err(error) = console.hear_stagehand(demo::STAGEHAND, line).await {
                tracing::error!("the demo's first release was not shipped: {error:?}");
            }
        }
    });
    greet(&link, demo.is_some());
    Ok(Running { bot, services, tasks, failed })
}

/// Discord, beside the bot.
struct Joined {
    discord: Arc<Discord>,
    health: Arc<Health>,
    link: Link,
}

async fn join(
    settings: discord::settings::Settings,
    config: &Config,
    bot: &Arc<Bot>,
    wire: Arc<dyn Wire>,
    store: Arc<SledStore>,
    files: Arc<Folder>,
    clock: &Clock,
) -> Result<Joined> {
    let rest = Arc::new(Rest::new(wire, settings.api.clone(), settings.token.clone()));
    let health = Health::new(clock.clone(), settings.gateway);
    let discord = Discord::new(bot.clone(), rest, store, files, settings, config);
    let link = Link::connect(discord.clone(), health.clone(), clock.clone()).await?;
    Ok(Joined { discord, health, link })
}

/// The networks of IRC, beside the bot. One that can not be reached is tried again, and keeps nothing from starting.
fn join_networks(
    networks: Vec<irc::settings::Settings>,
    config: &Config,
    bot: &Arc<Bot>,
    store: &Arc<SledStore>,
) -> Result<Vec<Arc<Irc>>> {
    let join = |settings: irc::settings::Settings| {
        let network = settings.network.clone();
        let dial = dial::Internet::new(&settings).with_context(|| format!("`[chat.irc.{network}]` can not be used"))?;
        Ok(Irc::new(bot.clone(), store.clone(), settings, config, Arc::new(dial)))
    };
    networks.into_iter().map(join).collect()
}

async fn serve_http(listener: TcpListener, router: axum::Router, services: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(services.clone().cancelled_owned());
    // A browser that keeps its line open does not keep Deckhand from stopping.
    let late = async {
        services.cancelled().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    };
    tokio::select! {
        ended = served => if let Err(error) = ended { tracing::error!("what listened to HTTP has ended: {error}") },
        () = late => {}
    }
}

/// Serves on this thread alone: programs ask by the thousand, and chat does not wait behind them.
fn serve_apart(listener: std::net::TcpListener, router: axum::Router, services: CancellationToken) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        serve_http(listener, router, services).await;
        Ok(())
    })
}

async fn keep_time(clock: Clock, services: CancellationToken) {
    let mut tick = tokio::time::interval(SET_CLOCK);
    while services.run_until_cancelled(tick.tick()).await.is_some() {
        clock.set(chrono::Utc::now());
    }
}

fn greet(link: &str, demo: bool) {
    say_line(format_args!("Deckhand is here. Open this link once to sign in:\n\n    {link}\n"));
    if demo {
        say_line("This is the demo. Say `/deploy ship service:hello env:staging ref:v2`, and watch. Ctrl-C stops it.");
    }
    // Whoever waits for the link may be reading from a pipe.
    let _ = std::io::stdout().flush();
}

/// Makes a folder that only its owner can look into, where it is not there yet.
fn make_private(folder: &Path) -> Result<()> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| {
        format!(
            "the data directory {} can not be made: name another with `data` in the config or DECKHAND_DATA",
            folder.display()
        )
    })
}

/// Backups without a database mean that it is lost (a disk that is not mounted, a folder that was moved): to begin anew
/// would hide that.
fn check_not_lost(data: &Path) -> Result<()> {
    let backups = data.join("backups");
    let store = store_folder(data);
    let any = std::fs::read_dir(&backups).is_ok_and(|mut entries| entries.next().is_some());
    if any && !store.exists() {
        let (store, backups) = (store.display(), backups.display());
        bail!(
            "there is no database in {store}, but there are backups in {backups}: Deckhand does not start with empty data in its place; \
             to go on from the newest, run `deckhand restore FILE`; to begin anew, move {backups} away"
        );
    }
    Ok(())
}

/// Where the demo listens: `DECKHAND_LISTEN`, else the usual place.
fn demo_address() -> Result<SocketAddr> {
    let usual = "127.0.0.1:7878";
    let wanted = std::env::var("DECKHAND_LISTEN").unwrap_or_else(|_| usual.to_owned());
    wanted
        .parse()
        .with_context(|| format!("DECKHAND_LISTEN is `{wanted}`; write an address and a port, as in `{usual}`"))
}

/// What Deckhand listens on, beside what platforms open for themselves.
struct Listeners {
    console: TcpListener,
    hooks: Option<TcpListener>,
}

impl Listeners {
    async fn open(config: &Config) -> Result<Listeners> {
        let console = listen(config.console.listen, "`[console]` (for the demo: set DECKHAND_LISTEN)").await?;
        let hooks = match config.hooks {
            Some(address) => Some(listen(address, "`[hooks]`").await?),
            None => None,
        };
        Ok(Listeners { console, hooks })
    }
}

async fn listen(address: SocketAddr, section: &str) -> Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "another program listens on {address} already (another Deckhand?). Stop it, or write another `listen` under {section}"
        ),
        Err(error) => {
            bail!("Deckhand can not listen on {address}: {error}. Write another `listen` under {section}")
        }
    }
}

/// Writes the command line's way in, readable by the owner alone. A file that is there keeps its rights when it is
/// opened, so it has to be a new one.
fn write_door(file: &Path, door: &Door) -> Result<()> {
    let beside = file.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let open = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
    let text = serde_json::to_vec(door)?;
    let written = open.and_then(|mut new| new.write_all(&text)).and_then(|()| std::fs::rename(&beside, file));
    written.with_context(|| format!("the way in for the command line can not be written to {}", file.display()))
}

async fn stop_signal() -> Result<()> {
    let (mut term, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// What hides secrets in the log, once the config is read; before that there are none.
static HIDE: OnceLock<Redactor> = OnceLock::new();

/// Standard error, without secrets. The log writes each of its entries whole.
struct Log;

impl Write for Log {
    fn write(&mut self, entry: &[u8]) -> std::io::Result<usize> {
        let text = String::from_utf8_lossy(entry);
        let hidden = HIDE.get().map_or(text.clone(), |redactor| redactor.redact(&text).into_owned().into());
        std::io::stderr().write_all(hidden.as_bytes())?;
        Ok(entry.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}

/// The log goes to standard error; `RUST_LOG` says how much of it.
fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn,bot=info"));
    let ansi = std::io::stderr().is_terminal();
    // A second call would find the first one's log in place.
    let _ = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Log).with_ansi(ansi).try_init();
}
