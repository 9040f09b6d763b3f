package thunderbird

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/pem"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"posthorn/internal/config"
	"posthorn/internal/imapclient"
	"posthorn/internal/imapwire"
	"posthorn/test/live"
)

var picture = flag.String("picture", filepath.Join(os.TempDir(), "thunderbird.png"), "where the screenshot goes")

const (
	user    = "alice@" + live.Domain
	subject = "来自雷鸟的信 & more"
	drawer  = "抽屉 & Ablage"
)

// TestThunderbird sends a message to oneself, sees it arrive, files it into a new folder,
// reads it there, and deletes it. The server is asked after each step.
func TestThunderbird(t *testing.T) {
	dir := t.TempDir()
	binary, err := live.Build(dir)
	if err != nil {
		t.Fatal(err)
	}
	s := live.Install(t, live.Options{Binary: binary, Users: []string{"alice"}})
	s.Start(t)
	t.Cleanup(func() { s.Stop(t) })
	m := open(t)

	m.script("await addAccount(args[0])", map[string]any{
		"user": user, "secret": live.Password, "imap": s.Port(config.IMAPS), "smtp": s.Port(config.Submissions), "certificate": certificate(t, s),
	})
	m.script(`await until("INBOX", () => { account().incomingServer.performExpand(mainWindow().msgWindow); return folder("INBOX"); })`)
	m.script(send, user, subject)
	m.script(`await arrives("INBOX", args[0])`, subject)
	has(t, s, imapwire.Inbox, 1)
	m.script(file, subject, drawer)
	has(t, s, imapwire.Inbox, 0)
	if text := has(t, s, drawer, 1); !strings.Contains(text, "第一行") {
		t.Errorf("the message does not say what was written:\n%s", text)
	}
	m.script(show, subject, drawer)
	m.screenshot()
	m.script(remove, subject, drawer)
	has(t, s, drawer, 0)
	has(t, s, "Trash", 1)
	s.Verify(t)
}

const (
	// send opens a window to write in and presses its button.
	send = `
const fields = Cc["@mozilla.org/messengercompose/composefields;1"].createInstance(Ci.nsIMsgCompFields);
fields.to = args[0];
fields.subject = args[1];
fields.body = "<p>第一行</p><p>.</p><p>the end</p>";
const params = Cc["@mozilla.org/messengercompose/composeparams;1"].createInstance(Ci.nsIMsgComposeParams);
params.composeFields = fields;
params.format = Ci.nsIMsgCompFormat.HTML;
params.identity = account().defaultIdentity;
MailServices.compose.OpenComposeWindowWithParams(null, params);
const window = await until("a window", () => {
  const w = Services.wm.getMostRecentWindow("msgcompose");
  return w?.composeEditorReady && w;
});
window.goDoCommand("cmd_sendNow");
await until("the message being sent", () => window.closed);
`
	file = `
const window = mainWindow();
if (!folder(args[1])) root().createSubfolder(args[1], window.msgWindow);
const to = await until("the folder", () => folder(args[1]));
const m = await arrives("INBOX", args[0]);
const listener = copied();
MailServices.copy.copyMessages(m.folder, [m], to, true, listener, window.msgWindow, false);
await listener.done;
await until("the message is gone", () => !messages(folder("INBOX")).some(m => m.mime2DecodedSubject === args[0]));
`
	// show selects the folder and the message as a click does.
	show = `
const m = await arrives(args[1], args[0]);
const pane = await until("the panes", () => mainWindow().document.getElementById("tabmail").currentAbout3Pane);
pane.displayFolder(m.folder);
const tree = await until("the list", () => pane.gDBView?.rowCount && pane.threadTree);
tree.selectedIndex = 0;
await until("the text", () => {
  const browser = pane.messageBrowser?.contentWindow?.getMessagePaneBrowser?.();
  return browser?.webProgress && !browser.webProgress.isLoadingDocument && browser.currentURI.spec !== "about:blank";
});
await new Promise(resolve => setTimeout(resolve, 1000)); // for it to be drawn
`
	remove = `
const m = await arrives(args[1], args[0]);
const listener = copied();
m.folder.deleteMessages([m], mainWindow().msgWindow, false, false, listener, false);
await listener.done;
await until("the message is gone", () => !messages(folder(args[1])).length);
`
)

// certificate is the server's, in base64.
func certificate(t *testing.T, s *live.Server) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "cert.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	return base64.StdEncoding.EncodeToString(block.Bytes)
}

// has wants a mailbox to have so many messages and gives the text of the last.
func has(t *testing.T, s *live.Server, mailbox string, want uint32) (text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := imapclient.Dial(ctx, s.Addr(config.IMAPS), imapclient.Options{TLS: &tls.Config{InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Login(ctx, user, live.Password); err != nil {
		t.Fatal(err)
	}
	_, err = c.Select(ctx, mailbox, true, imapwire.SelectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Search(ctx, "UNDELETED")
	if err != nil {
		t.Fatal(err)
	}
	var n uint32
	for _, r := range found.Ranges {
		n += r.Last - r.First + 1
	}
	if n != want {
		t.Fatalf("%q has %d messages, want %d", mailbox, n, want)
	}
	if n == 0 {
		return ""
	}
	err = c.Fetch(ctx, found, imapclient.Fetch{
		FetchOptions: imapwire.FetchOptions{Items: []imapwire.FetchItem{{Attr: imapwire.FetchSection, Peek: true}}},
		Body: func(_ *imapclient.Message, _ *imapwire.FetchDatum, r io.Reader) error {
			b, err := io.ReadAll(r)
			text = string(b)
			return err
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}
