"""A bare bot on discord.py: registers `ping`, defers, edits. Its argument is the address of Discord's API."""

import os
import sys

import discord
import yarl
from discord import app_commands
from discord.gateway import DiscordWebSocket

discord.http.Route.BASE = sys.argv[1] + "/v10"


class Bot(discord.Client):
    """A client with a tree of commands."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents.none())
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        # A client without shards does not ask where the gateway is.
        _, gateway, _ = await self.http.get_bot_gateway()
        DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway)

    async def on_ready(self) -> None:
        await self.tree.sync()
        print("ready", flush=True)


bot = Bot()


@bot.tree.command(description="Answer")
async def ping(interaction: discord.Interaction) -> None:
    """Answers late."""
    await interaction.response.defer()
    await interaction.edit_original_response(content="pong")


bot.run(os.environ["DISCORD_TOKEN"], log_handler=None)
