//! One connection, from the greeting to its end.

use super::super::message::{LONGEST, Message, same};
use super::super::pace::Bucket;
use super::super::settings::Sasl;
use super::delivery::{Delivery, ECHO};
use super::{Event, Haste, Job, Link, Unsaid};
use crate::platforms::irc::dial::Stream;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, WriteHalf};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// After how much silence the server is asked whether it is there, and how long it has to answer.
const SILENCE: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(30);

/// How long the greeting may take.
const GREETING: Duration = Duration::from_secs(60);

/// How often things are seen to that wait for their time: the nick, channels.
const TEND: Duration = Duration::from_secs(1);

/// How often the wanted nick is asked for.
const NICK_EVERY: Duration = Duration::from_secs(60);

/// After how long a channel is joined again, at first and at most.
const REJOIN: Duration = Duration::from_secs(15);
const LATEST_REJOIN: Duration = Duration::from_secs(600);

/// The most bytes of a line that is read, with its tags: IRCv3 allows 8191 for these.
const MOST: u64 = 16 * 1024;

/// What is asked of a server that can do more than RFC 1459.
const WANTED: [&str; 3] = ["account-tag", "account-notify", "sasl"];

/// A channel that is to be joined.
struct Channel {
    name: String,
    key: Option<String>,
    joined: bool,
    /// When it is joined next.
    next: Option<Instant>,
    pause: Duration,
    /// Whether Deckhand was thrown out of it before.
    kicked: bool,
}

/// One connection at work.
struct Session<'a> {
    link: &'a Link,
    events: &'a mpsc::UnboundedSender<Event>,
    write: WriteHalf<Box<dyn Stream>>,
    bucket: Bucket,
    jobs: mpsc::UnboundedReceiver<(Haste, Job)>,
    sender: mpsc::UnboundedSender<(Haste, Job)>,
    /// What is to be sent now, and what is when there is nothing of that.
    now: VecDeque<Job>,
    idle: VecDeque<Job>,
    delivery: Delivery,
    channels: Vec<Channel>,
    on: bool,
    nick: String,
    offered: Vec<String>,
    next_nick: Instant,
    heard: Instant,
    asked: bool,
}

impl Link {
    /// Talks to the server until the link ends, and returns why it did.
    pub(super) async fn session(
        &self,
        stream: Box<dyn Stream>,
        events: &mpsc::UnboundedSender<Event>,
        stop: &CancellationToken,
    ) -> String {
        let (read, write) = tokio::io::split(stream);
        let (burst, every) = self.settings.flood;
        let (sender, jobs) = mpsc::unbounded_channel();
        let channel = |(name, key): &(String, Option<String>)| Channel {
            name: name.clone(),
            key: key.clone(),
            joined: false,
            next: None,
            pause: REJOIN,
            kicked: false,
        };
        let mut session = Session {
            link: self,
            events,
            write,
            bucket: Bucket::new(burst, every),
            jobs,
            sender,
            now: VecDeque::new(),
            idle: VecDeque::new(),
            delivery: Delivery::default(),
            channels: self.settings.channels.iter().map(channel).collect(),
            on: false,
            nick: self.settings.nick.clone(),
            offered: Vec::new(),
            next_nick: Instant::now() + NICK_EVERY,
            heard: Instant::now(),
            asked: false,
        };
        let why = session.run(BufReader::new(read), stop).await.err().unwrap_or_default();
        // Nobody can reach this session any more; what it still had is told how it stands.
        self.state().jobs = None;
        session.end();
        why
    }
}

impl Session<'_> {
    async fn run<R: AsyncBufReadExt + Unpin>(&mut self, read: R, stop: &CancellationToken) -> Result<(), String> {
        self.greet().await?;
        let began = Instant::now();
        let (lines, mut heard) = mpsc::channel(64);
        // Reading a line can not be interrupted without losing what was read of it.
        let reader = read_lines(read, lines);
        tokio::pin!(reader);
        let mut tend = tokio::time::interval(TEND);
        loop {
            let ready = self.bucket.ready();
            let sends = !self.now.is_empty() || !self.idle.is_empty();
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    let _ = self.put("QUIT :Deckhand is stopping").await;
                    return Err("Deckhand is stopping".to_owned());
                }
                line = heard.recv() => match line {
                    Some(line) => self.take(&line).await?,
                    None => return Err("the server has closed the link".to_owned()),
                },
                why = &mut reader => {
                    while let Ok(line) = heard.try_recv() {
                        self.take(&line).await?;
                    }
                    return Err(why);
                }
                Some((haste, job)) = self.jobs.recv() => self.queue(haste).push_back(job),
                () = sleep_until(ready), if sends => self.send_next().await?,
                _ = tend.tick() => self.tend(began).await?,
            }
        }
    }

    /// Tells those who wait that the link is down.
    fn end(&mut self) {
        while let Ok((haste, job)) = self.jobs.try_recv() {
            self.queue(haste).push_back(job);
        }
        self.delivery.end();
        for job in self.now.drain(..).chain(self.idle.drain(..)) {
            if let Job::Say { done, .. } = job {
                // Whoever waited may have been killed.
                let _ = done.send(Err(Unsaid::Away));
            }
        }
    }

    fn queue(&mut self, haste: Haste) -> &mut VecDeque<Job> {
        match haste {
            Haste::Now => &mut self.now,
            Haste::Idle => &mut self.idle,
        }
    }

    async fn put(&mut self, line: &str) -> Result<(), String> {
        // Tags have room of their own.
        let tags = if line.starts_with('@') { line.find(' ').map_or(0, |end| end + 1) } else { 0 };
        let mut end = line.len().min(tags + LONGEST);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let bytes = format!("{}\r\n", &line[..end]);
        let written = tokio::time::timeout(ANSWER, self.write.write_all(bytes.as_bytes())).await;
        written.map_err(|_| "the server takes nothing".to_owned())?.map_err(|error| error.to_string())?;
        self.write.flush().await.map_err(|error| error.to_string())
    }

    /// Sends the next line, and, after the last one of a message, the question whether it was read.
    async fn send_next(&mut self) -> Result<(), String> {
        let haste = if self.now.is_empty() { Haste::Idle } else { Haste::Now };
        let Some(job) = self.queue(haste).pop_front() else { return Ok(()) };
        self.bucket.take();
        let (number, mut lines) = match job {
            Job::Line(line) => return self.put(&line).await,
            Job::Say { target, lines, done } => (self.delivery.begin(target, done), lines),
            Job::Rest { number, lines } => (number, lines),
        };
        if let Some(line) = lines.pop_front() {
            let line = self.delivery.line(number, &line);
            self.put(&line).await?;
        }
        if !lines.is_empty() {
            self.queue(haste).push_front(Job::Rest { number, lines });
            return Ok(());
        }
        let question = self.delivery.question(number);
        self.put(&question).await
    }

    async fn greet(&mut self) -> Result<(), String> {
        self.put("CAP LS 302").await?;
        self.put(&format!("NICK {}", self.nick)).await?;
        self.put(&format!("USER {} 0 * :Deckhand", self.link.settings.user)).await
    }

    async fn take(&mut self, line: &[u8]) -> Result<(), String> {
        (self.heard, self.asked) = (Instant::now(), false);
        let Some(message) = Message::read(line) else { return Ok(()) };
        match &*message.command {
            "PING" => self.put(&format!("PONG :{}", message.param(0))).await?,
            "ERROR" => return Err(format!("the server ends it: {}", message.param(0))),
            "CAP" => self.capabilities(&message).await?,
            "AUTHENTICATE" => self.authenticate().await?,
            "903" => self.put("CAP END").await?,
            "902" | "904" | "905" | "906" | "908" if !self.on => {
                return Err(format!(
                    "the server does not let it log in: {}",
                    message.params.last().map_or("", |it| it)
                ));
            }
            "001" => self.welcome(&message).await?,
            "432" | "433" | "436" | "437" if !self.on => self.other_nick().await?,
            "NICK" if message.nick().is_some_and(|nick| same(nick, &self.nick)) => self.renamed(message.param(0)),
            "JOIN" | "PART" | "KICK" => self.moved(&message),
            "403" | "405" | "471" | "473" | "474" | "475" | "476" | "477" | "489" => self.kept_out(&message),
            _ => {}
        }
        self.delivery.hear(&message);
        if self.on {
            // Who listens ends with the bot.
            let _ = self.events.send(Event::Heard(message));
        }
        Ok(())
    }

    async fn capabilities(&mut self, message: &Message) -> Result<(), String> {
        match message.param(1) {
            "LS" => {
                let list = message.params.last().map_or("", String::as_str);
                let named = list.split(' ').map(|cap| cap.split('=').next().unwrap_or_default().to_owned());
                self.offered.extend(named);
                if message.param(2) == "*" && message.params.len() > 3 {
                    return Ok(()); // More of the list follows.
                }
                let sasl = self.link.settings.sasl.is_some();
                if sasl && !self.offered.iter().any(|cap| cap == "sasl") {
                    return Err("the server knows no SASL: take out `sasl`".to_owned());
                }
                let has = |cap: &&str| self.offered.iter().any(|it| it == cap);
                let wanted = WANTED.into_iter().filter(|cap| *cap != "sasl" || sasl).filter(has);
                // One of these alone is of no use.
                let echo = ECHO.iter().all(has).then_some(ECHO);
                let wanted: Vec<_> = wanted.chain(echo.into_iter().flatten()).collect();
                match wanted.is_empty() {
                    true => self.put("CAP END").await,
                    false => self.put(&format!("CAP REQ :{}", wanted.join(" "))).await,
                }
            }
            "ACK" => {
                let given: Vec<_> = message.params.last().map_or("", String::as_str).split(' ').collect();
                self.link.state().tags = given.contains(&"account-tag");
                self.delivery.echoes = ECHO.iter().all(|cap| given.contains(cap));
                match (&self.link.settings.sasl, given.contains(&"sasl")) {
                    (Some(Sasl::Plain { .. }), true) => self.put("AUTHENTICATE PLAIN").await,
                    (Some(Sasl::External), true) => self.put("AUTHENTICATE EXTERNAL").await,
                    _ => self.put("CAP END").await,
                }
            }
            "NAK" if self.link.settings.sasl.is_some() => Err("the server refuses SASL".to_owned()),
            "NAK" => self.put("CAP END").await,
            "DEL" => {
                let lost: Vec<_> = message.params.last().map_or("", String::as_str).split(' ').collect();
                self.link.state().tags &= !lost.contains(&"account-tag");
                self.delivery.echoes &= !ECHO.iter().any(|cap| lost.contains(cap));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Sends who we are, in pieces of 400: <https://ircv3.net/specs/extensions/sasl-3.1>.
    async fn authenticate(&mut self) -> Result<(), String> {
        let encoded = match &self.link.settings.sasl {
            Some(Sasl::Plain { account, password }) => STANDARD.encode(format!("{account}\0{account}\0{password}")),
            _ => String::new(),
        };
        let mut pieces: Vec<_> = encoded.as_bytes().chunks(400).map(String::from_utf8_lossy).collect();
        if encoded.len().is_multiple_of(400) {
            pieces.push("+".into());
        }
        for piece in pieces {
            self.put(&format!("AUTHENTICATE {piece}")).await?;
        }
        Ok(())
    }

    async fn welcome(&mut self, message: &Message) -> Result<(), String> {
        self.on = true;
        let nick = message.param(0).to_owned();
        self.renamed(&nick);
        self.link.state().jobs = Some(self.sender.clone());
        let _ = self.events.send(Event::On);
        tracing::info!(network = self.link.settings.network, nick, "connected");
        self.channels.iter_mut().for_each(|channel| channel.next = Some(Instant::now()));
        self.tend(Instant::now()).await
    }

    fn renamed(&mut self, nick: &str) {
        nick.clone_into(&mut self.nick);
        nick.clone_into(&mut self.link.state().nick);
        if self.on {
            self.link.health.on(nick);
        }
    }

    async fn other_nick(&mut self) -> Result<(), String> {
        if self.nick.len() > self.link.settings.nick.len() + 8 {
            return Err("every nick that was tried is taken".to_owned());
        }
        self.nick.push('_');
        self.put(&format!("NICK {}", self.nick)).await
    }

    /// Somebody has come or gone; here it matters when that is us.
    fn moved(&mut self, message: &Message) {
        let (command, name) = (message.command.as_str(), message.param(0));
        let who = if command == "KICK" { message.param(1) } else { message.nick().unwrap_or_default() };
        let Some(channel) = self.channels.iter_mut().find(|channel| same(&channel.name, name)) else { return };
        if !same(who, &self.nick) {
            return;
        }
        channel.joined = command == "JOIN";
        if channel.joined {
            (channel.next, channel.pause) = (None, REJOIN);
            return self.link.health.channel(name, None);
        }
        let why = format!("{} by {}", if command == "KICK" { "thrown out" } else { "taken out" }, message.from);
        tracing::warn!(network = self.link.settings.network, channel = name, "{why}");
        // Once may be a mistake; whoever does it twice means it.
        channel.next = (!channel.kicked).then(|| Instant::now() + REJOIN);
        channel.kicked = true;
        self.link.health.channel(name, Some(why));
    }

    fn kept_out(&mut self, message: &Message) {
        let name = message.param(1);
        let Some(channel) = self.channels.iter_mut().find(|channel| same(&channel.name, name)) else { return };
        if channel.joined {
            return;
        }
        let what = match &*message.command {
            "471" => "it is full",
            "473" => "it is by invitation only",
            "474" => "we are banned",
            "475" => "it wants another key",
            _ => message.params.last().map_or("", String::as_str),
        };
        let why = format!("{what} ({})", message.command);
        tracing::warn!(network = self.link.settings.network, channel = name, "not let in: {why}");
        channel.next = Some(Instant::now() + channel.pause);
        channel.pause = (channel.pause * 2).min(LATEST_REJOIN);
        self.link.health.channel(name, Some(why));
    }

    /// What waits for its time: silence, the greeting, our nick, channels.
    async fn tend(&mut self, began: Instant) -> Result<(), String> {
        if !self.on && began.elapsed() > GREETING {
            return Err("the server did not greet in a minute".to_owned());
        }
        if self.heard.elapsed() >= SILENCE + ANSWER {
            return Err("ping time-out: the server was silent".to_owned());
        }
        if self.heard.elapsed() >= SILENCE && !self.asked {
            self.asked = true;
            self.put("PING alive").await?;
        }
        let wanted = self.link.settings.nick.clone();
        if self.on && !same(&self.nick, &wanted) && Instant::now() >= self.next_nick {
            self.next_nick = Instant::now() + NICK_EVERY;
            self.put(&format!("NICK {wanted}")).await?;
        }
        let due = |channel: &&mut Channel| channel.next.is_some_and(|next| next <= Instant::now());
        let mut joins = Vec::new();
        for channel in self.channels.iter_mut().filter(due) {
            // Where no answer comes, it is asked for again.
            channel.next = Some(Instant::now() + LATEST_REJOIN);
            let key = channel.key.as_ref().map(|key| format!(" {key}")).unwrap_or_default();
            joins.push(format!("JOIN {}{key}", channel.name));
        }
        for join in joins {
            self.bucket.take();
            self.put(&join).await?;
        }
        Ok(())
    }
}

/// Reads lines until there are no more, and returns why.
async fn read_lines<R: AsyncBufReadExt + Unpin>(mut read: R, lines: mpsc::Sender<Vec<u8>>) -> String {
    loop {
        let mut line = Vec::new();
        match (&mut read).take(MOST).read_until(b'\n', &mut line).await {
            Err(error) => return error.to_string(),
            Ok(0) => return "the server has closed the link".to_owned(),
            Ok(_) if line.last() != Some(&b'\n') => return "the server sends lines without an end".to_owned(),
            Ok(_) => {
                if lines.send(line).await.is_err() {
                    return "nobody listens any more".to_owned();
                }
            }
        }
    }
}
