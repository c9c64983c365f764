// A bare bot on discord.js: registers `ping`, defers, edits. Its argument is the address of Discord's API.
import { Client, Events } from "discord.js";

// What is measured is the library, and not how long it waits for Discord's global limit.
const rest = { api: process.argv[2], version: "10", globalRequestsPerSecond: Infinity };
const client = new Client({ intents: [], rest });

client.once(Events.ClientReady, async () => {
  await client.application.commands.set([{ name: "ping", description: "Answer" }]);
  console.log("ready");
});

client.on(Events.InteractionCreate, async (interaction) => {
  if (interaction.isChatInputCommand()) {
    await interaction.deferReply();
    await interaction.editReply("pong");
  }
});

await client.login(process.env.DISCORD_TOKEN);
