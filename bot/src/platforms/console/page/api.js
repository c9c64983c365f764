// Deckhand's local API: one method a call, one error with a sentence in it, and the stream of messages.

/** What went wrong, in a sentence for a person. */
export class ApiError extends Error {}

export class Api {
  /** @type {string} for whom everything is asked */
  as = "";
  /** Called when the session has ended. */
  onSignedOut = () => {};
  #events = null;
  #retry = 0;

  session() {
    return this.#get("/api/session");
  }

  /** The newest page of a channel, or the one before a message; oldest first. */
  messages(channel, before = null, limit = 50) {
    const query = new URLSearchParams({ as: this.as, limit: String(limit) });
    if (before) query.set("before", before);
    return this.#get(`/api/channels/${encodeURIComponent(channel)}/messages?${query}`);
  }

  commands() {
    return this.#get(`/api/commands?${new URLSearchParams({ as: this.as })}`);
  }

  ask(channel, line) {
    return this.#post("/api/ask", { line, channel });
  }

  /** @param {Object<string, string>} filled what the button's form was filled with */
  press(channel, id, filled = {}) {
    return this.#post("/api/press", { id, channel, filled });
  }

  /** @param {number} cursor in UTF-16 units, as the browser counts; the wire counts characters */
  async complete(channel, line, cursor) {
    const answer = await this.#post("/api/complete", { line, channel, cursor: [...line.slice(0, cursor)].length });
    for (const suggestion of answer.suggestions) {
      suggestion.cursor = [...suggestion.line].slice(0, suggestion.cursor).join("").length;
    }
    return answer;
  }

  /** What whoever writes `text` into a form might ask themselves; null where there is nothing. */
  advise(channel, line, name, text) {
    return this.#post("/api/advise", { line, name, text, channel });
  }

  /**
   * Follows everything that is said, until the next call of this.
   * @param {{open: function(), lost: function(), message: function(Object)}} listener `open` comes after each (re)connect
   */
  follow(listener) {
    this.#events?.close();
    clearTimeout(this.#retry);
    const events = new EventSource(`/api/events?${new URLSearchParams({ as: this.as })}`);
    this.#events = events;
    events.addEventListener("open", () => listener.open());
    events.addEventListener("message", (event) => listener.message(JSON.parse(event.data)));
    events.addEventListener("error", () => {
      listener.lost();
      // The browser reconnects by itself, except after an answer that is no stream: a proxy's 502, or a session's end.
      if (events.readyState !== EventSource.CLOSED) return;
      this.#retry = setTimeout(() => this.follow(listener), 3000);
      this.session().catch(() => {});
    });
  }

  #signOut() {
    this.#events?.close();
    clearTimeout(this.#retry);
    this.onSignedOut();
  }

  #get(path) {
    return this.#call(path, {});
  }

  #post(path, body) {
    const headers = { "content-type": "application/json" };
    return this.#call(path, { method: "POST", headers, body: JSON.stringify({ ...body, as: this.as }) });
  }

  async #call(path, options) {
    let response;
    try {
      response = await fetch(path, { ...options, credentials: "same-origin", cache: "no-store" });
    } catch {
      throw new ApiError("Deckhand can not be reached. Try again in a moment.");
    }
    const body = await response.json().catch(() => null);
    if (response.status === 401) this.#signOut();
    if (!response.ok) throw new ApiError(body?.error ?? `Deckhand answered with ${response.status}. Try again in a moment.`);
    return body;
  }
}
