//! A bare bot on serenity: registers `ping`, defers, edits. Its argument is the address that takes the place of
//! `https://discord.com`.

use serenity::all::{
    ClientBuilder, Command, Context, CreateCommand, EditInteractionResponse, EventHandler, GatewayIntents, HttpBuilder,
    Interaction, Ready, async_trait,
};
use std::error::Error;
use std::io::Write;

struct Bot;

#[async_trait]
impl EventHandler for Bot {
    async fn ready(&self, context: Context, _: Ready) {
        let ping = CreateCommand::new("ping").description("Answer");
        match Command::set_global_commands(&context.http, vec![ping]).await {
            Ok(_) => tell("ready"),
            Err(error) => tell(&format!("could not register: {error}")),
        }
    }

    async fn interaction_create(&self, context: Context, interaction: Interaction) {
        let Interaction::Command(command) = interaction else { return };
        let answered = async {
            command.defer(&context.http).await?;
            command.edit_response(&context.http, EditInteractionResponse::new().content("pong")).await
        };
        if let Err(error) = answered.await {
            tell(&format!("could not answer: {error}"));
        }
    }
}

/// Says a line to whoever started the bot.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody may listen any more.
    _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).ok_or("the address of Discord is missing")?;
    let token = std::env::var("DISCORD_TOKEN")?;
    let http = HttpBuilder::new(token).proxy(address).ratelimiter_disabled(true).build();
    ClientBuilder::new_with_http(http, GatewayIntents::empty()).event_handler(Bot).await?.start().await?;
    Ok(())
}
