// Package transcript plays conversations between clients and a server, written
// down in files that a person can read aloud. It is for tests only.
//
// A file is a txtar archive. Its comment is the script, its files are texts that
// the script refers to. Each script line is one of
//
//	# a remark
//	1> text          connection 1 sends this line (CRLF is added)
//	1>= "a\x00\n"    connection 1 sends exactly these bytes
//	1>@ name         connection 1 sends the file, its line ends as CRLF
//	1< text          the next line that connection 1 receives
//	1<* text         likewise, but in any order among its neighbours of this kind
//	1<< text         lines are skipped until this one; without a text, all of them
//	1! text          no line received in this step is like this
//	1 closed         the server has closed the connection
//	1 close          the client closes it
//	1 stall          the client stops reading; "1 resume" goes on
//	1 starttls       the client starts TLS
//	1 compress       the client goes over to DEFLATE, for good
//	advance 31m      time passes
//	verb arguments   whatever Options.Commands says
//
// A connection is opened when its name (any word) is first used; which server it
// leads to is up to Options.Dial. Names like 1, 2, imap1, alice2 read well.
//
// A step is a line that does something and the expectations after it. Between the
// two the runner waits until every goroutine is idle, so that a step sees all of its
// effects, on every connection, and nothing may be left over at its end. This is
// why scripts run inside a testing/synctest bubble, and why they need no patience.
//
// In expectations "..." stands for any text and ${name} for a word: the first use
// takes what is there, later uses (also in what is sent) repeat it. Bytes that cannot
// be shown are written as \r, \x80 and the like. In sent lines {{name}} is a literal
// of IMAP: the file's size in braces and, after the server has asked for it with "+",
// the file; {{name+}} does not wait. {{"text"}} is a literal of just this text.
//
// With -update, expectations that do not hold are replaced by what was received.
package transcript

import (
	"flag"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "rewrite the expectations of transcripts that do not hold")

// Options connect a script to what it tests.
type Options struct {
	// Dial opens the client's end of the connection of this name. The server's
	// goroutines must be started inside the bubble, so here or in setup.
	Dial func(connection string) net.Conn
	// Commands are further verbs of scripts. Texts are the files of the archive, with
	// CRLFs, and those of Options.
	Commands map[string]func(args []string, texts map[string]string) error
	// Texts are files besides those of the archive, for what is too long to read.
	Texts map[string]string
}

// Run plays every file that the pattern names, each in a bubble and a sub-test of
// its own. setup makes the server under test and may use t.Cleanup to end it.
func Run(t *testing.T, pattern string, setup func(t *testing.T) Options) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts match %s (%v)", pattern, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { play(t, file, setup(t)) })
		})
	}
}

func play(t *testing.T, file string, o Options) {
	archive, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p := &player{t: t, file: file, o: o, conns: map[string]*conn{}, words: map[string]string{}, texts: map[string]string{}}
	maps.Copy(p.texts, o.Texts)
	for _, f := range archive.Files {
		p.texts[f.Name] = strings.ReplaceAll(string(f.Data), "\n", "\r\n")
	}
	defer p.close()
	steps := parse(string(archive.Comment))
	for _, s := range steps {
		p.play(s)
		if t.Failed() {
			return
		}
	}
	if p.changed {
		archive.Comment = []byte(render(steps))
		if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
