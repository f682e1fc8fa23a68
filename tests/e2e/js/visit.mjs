// One visit to the city hall with matrix-js-sdk, the library beneath Element: a second kind of client beside nio.
// Takes what to do as JSON in its first argument, writes what it saw as JSON to stdout; test_js_client.py judges that.
// A member who has joined the hall says so in a line of its own and waits for a line back: over federation the hub may
// not know yet, and would refuse the next door.

// Node 20 lacks it; the SDK wants Node 22.
Promise.withResolvers ??= function () { let a, b; const promise = new this((y, n) => { a = y; b = n; }); return { promise, resolve: a, reject: b }; };

// The SDK tells the console what it does; stdout is ours.
for (const level of ["trace", "debug", "log", "info", "warn"]) console[level] = () => {};

const sdk = await import("matrix-js-sdk");
const order = JSON.parse(process.argv[2]);

const door = sdk.createClient({ baseUrl: order.homeserver });
const login = await door.loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: order.user },
    password: order.password,
});
const client = sdk.createClient({
    baseUrl: order.homeserver,
    userId: login.user_id,
    deviceId: login.device_id,
    accessToken: login.access_token,
});

/** Resolves once `look()` is true, looking at each event that `name` announces. */
function until(name, look) {
    return new Promise((resolve) => {
        const listener = (...args) => {
            const found = look(...args);
            if (found) {
                client.off(name, listener);
                resolve(found);
            }
        };
        client.on(name, listener);
        const now = look();
        if (now) {
            client.off(name, listener);
            resolve(now);
        }
    });
}

/** Resolves once the test says that the hub knows of the join. */
function known() {
    return new Promise((resolve) => {
        process.stdin.once("data", () => {
            process.stdin.pause();
            resolve();
        });
        process.stdout.write("in the hall\n");
    });
}

/** Every room of a space's lobby, all pages of it. */
async function lobby(roomId) {
    const rooms = [];
    let from;
    do {
        const page = await client.getRoomHierarchy(roomId, 50, undefined, false, from);
        rooms.push(...page.rooms);
        from = page.next_batch;
    } while (from);
    return rooms;
}

/** What a refusal is called, or "joined". */
async function attempt(alias) {
    try {
        await client.joinRoom(alias, { viaServers: order.via });
        return "joined";
    } catch (error) {
        return error.errcode ?? String(error);
    }
}

async function asMember() {
    await until("Room.myMembership", () => client.getRoom(order.hall)?.getMyMembership() === "invite");
    await client.joinRoom(order.hall, { viaServers: order.via });
    await known();
    const rooms = await lobby(order.hall);
    const entered = [];
    for (const alias of order.links) entered.push((await client.joinRoom(alias, { viaServers: order.via })).roomId);
    const room = entered.at(-1);
    const message = (await client.sendTextMessage(room, order.words)).event_id;
    const reaction = await client.sendEvent(room, "m.reaction", {
        "m.relates_to": { rel_type: "m.annotation", event_id: message, key: "👍️" },
    });
    const command = (await client.sendTextMessage(room, order.command)).event_id;
    const answer = await until("Room.timeline", () =>
        client.getRoom(room)?.getLiveTimeline().getEvents()
            .find((e) => e.getContent()["m.relates_to"]?.["m.in_reply_to"]?.event_id === command));
    let renamed = "done";
    try {
        await client.setRoomName(room, "わたしの部屋");
    } catch (error) {
        renamed = error.errcode;
    }
    return {
        lobby: rooms.map((each) => each.name),
        entered,
        message,
        reaction: reaction.event_id,
        answer: answer.getContent().body,
        name: client.getRoom(room).name,
        renamed,
    };
}

async function asOutsider() {
    const attempts = {};
    for (const alias of order.links) attempts[alias] = await attempt(alias);
    return { attempts };
}

await client.startClient({ initialSyncLimit: 20 });
await until("sync", () => client.isInitialSyncComplete());
const seen = await (order.role === "member" ? asMember() : asOutsider());
client.stopClient();
process.stdout.write(JSON.stringify(seen), () => process.exit(0));
