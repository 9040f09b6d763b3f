const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const { setTimeout } = ChromeUtils.importESModule("resource://gre/modules/Timer.sys.mjs");
const TLS = 3, PASSWORD = 3; // nsMsgSocketType, nsMsgAuthMethod: their names change, their values do not

// until waits for something to become true and gives it.
async function until(what, condition) {
  for (let i = 0; i < 600; i++) {
    const value = await condition();
    if (value) return value;
    await new Promise(resolve => setTimeout(resolve, 100));
  }
  const dialogs = [...Services.wm.getEnumerator(null)].map(w => w.document.getElementById("infoBody")?.textContent ?? w.document.title);
  const said = Services.console.getMessageArray().slice(-15).map(m => m.message).join("\n");
  throw new Error(`nothing of: ${what}; open are ${JSON.stringify(dialogs)}; it said last:\n${said}\n`);
}

const mainWindow = () => Services.wm.getMostRecentWindow("mail:3pane");
const account = () => MailServices.accounts.accounts.find(a => a.incomingServer.type === "imap");
const root = () => account().incomingServer.rootFolder;
const folder = name => root().descendants.find(f => f.localizedName === name || f.name === name || f.URI.endsWith("/" + name));
const messages = f => [...f.messages];

// arrives waits until a folder has a message with a subject, asking the server each time.
const arrives = (name, subject) => until(subject + " in " + name, () => {
  const f = folder(name);
  const found = f && messages(f).find(m => m.mime2DecodedSubject === subject);
  if (!found) f?.updateFolder(mainWindow().msgWindow);
  return found;
});

// copied is a listener, and what it waits for.
function copied() {
  const listener = { QueryInterface: ChromeUtils.generateQI(["nsIMsgCopyServiceListener"]), onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; } };
  listener.done = new Promise((resolve, reject) => {
    listener.onStopCopy = status => Components.isSuccessCode(status) ? resolve() : reject(new Error("status " + status.toString(16)));
  });
  return listener;
}

// trust accepts a certificate for a port of localhost.
function trust(certificate, port) {
  const cert = Cc["@mozilla.org/security/x509certdb;1"].getService(Ci.nsIX509CertDB).constructX509FromBase64(certificate);
  Cc["@mozilla.org/security/certoverride;1"].getService(Ci.nsICertOverrideService).rememberValidityOverride("localhost", port, {}, cert, false);
}

async function password(origin, user, secret) {
  const login = Cc["@mozilla.org/login-manager/loginInfo;1"].createInstance(Ci.nsILoginInfo);
  login.init(origin, null, origin, user, secret, "", "");
  await Services.logins.addLoginAsync(login);
}

async function addAccount({ user, secret, imap, smtp, certificate }) {
  trust(certificate, imap);
  trust(certificate, smtp);
  await password("imap://localhost", user, secret);
  await password("smtp://localhost", user, secret);
  const server = MailServices.accounts.createIncomingServer(user, "localhost", "imap");
  server.port = imap;
  server.socketType = TLS;
  server.authMethod = PASSWORD;
  server.password = secret; // it looks in vain for what was put into the login manager
  const outgoing = MailServices.outgoingServer.createServer("smtp").QueryInterface(Ci.nsISmtpServer);
  outgoing.hostname = "localhost";
  outgoing.port = smtp;
  outgoing.socketType = TLS;
  outgoing.authMethod = PASSWORD;
  outgoing.username = user;
  const identity = MailServices.accounts.createIdentity();
  identity.email = user;
  identity.fullName = "张三";
  identity.smtpServerKey = outgoing.key;
  const made = MailServices.accounts.createAccount();
  made.addIdentity(identity);
  made.incomingServer = server;
  MailServices.accounts.defaultAccount = made;
}
