// Package cli is the command line: its commands, their help, what they print, and
// the exit codes.
//
// It owns no mail and no rules about it. Commands about accounts and the like go
// through package admin, to the running server over its control socket or, when
// none runs, to the store opened for the moment (connect.go); serve and demo run a
// server of package server.
//
// One command, one file. Each has a struct with its flags and a Run method that
// gets the environment: streams, context, global flags. What a command has to say it
// says through environment.print, for people or as JSON. Errors go to standard
// error, say what to do, and end the process with one of the exit codes below.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// The exit codes.
const (
	exitDone    = 0
	exitFailed  = 1 // the command was understood, but could not be carried out
	exitUsage   = 2 // the command was not understood
	exitDamaged = 3 // verify, or repair, found something wrong
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// commands is the whole command line.
type commands struct {
	Config string `help:"The configuration file." placeholder:"FILE" default:"posthorn.toml" env:"POSTHORN_CONFIG"`
	JSON   bool   `name:"json" help:"Print JSON, for programs."`
	remote

	Demo     demoCommand        `cmd:"" help:"Try everything: run a throw-away server and prove that it works."`
	Init     initCommand        `cmd:"" help:"Set up a new server in a folder."`
	Serve    serveCommand       `cmd:"" help:"Run the server."`
	Account  accountCommand     `cmd:"" help:"Accounts: who has mailboxes and may log in."`
	Domain   domainCommand      `cmd:"" help:"Domains: whose mail is taken."`
	Alias    aliasCommand       `cmd:"" help:"Aliases: addresses whose mail goes to others."`
	Apply    applyCommand       `cmd:"" help:"Make domains, accounts, aliases and quotas what a file says."`
	Queue    queueCommand       `cmd:"" help:"The queue: mail that other servers still have to take."`
	History  historyCommand     `cmd:"" help:"What happened to messages, and why."`
	Audit    auditCommand       `cmd:"" help:"Who logged in, what was changed and deleted, and by whom."`
	Sendmail sendmailCommand    `cmd:"" passthrough:"" help:"Send a message from standard input, as the program of that name does."`
	Undelete undeleteCommand    `cmd:"" help:"Bring back mail that was deleted."`
	Index    indexCommand       `cmd:"" help:"The search index: what SEARCH finds text with."`
	Certs    certificateCommand `cmd:"" name:"certificate" help:"Certificates: what clients are shown, and until when."`
	Session  sessionCommand     `cmd:"" help:"Sessions: who is logged in, and signing somebody out."`
	Ban      banCommand         `cmd:"" help:"Bans: networks that are refused for a time."`
	Verify   verifyCommand      `cmd:"" help:"Prove that everything stored is as it should be."`
	Repair   repairCommand      `cmd:"" help:"Mend what can be derived from what is sound, and verify."`
	Conf     configCommand      `cmd:"" name:"config" help:"The configuration file."`
	Version  versionCommand     `cmd:"" help:"Tell the version."`
}

// exit is how kong's wish to end the process comes out of it.
type exit int

// Run carries out a command line and returns the exit code.
func Run(ctx context.Context, args []string, s Streams) (code int) {
	defer func() {
		if wish, ok := recover().(exit); ok {
			code = int(wish)
		}
	}()
	var all commands
	parser, err := kong.New(&all,
		kong.Name("posthorn"),
		kong.Description("A complete mail server."),
		kong.Writers(s.Out, s.Err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 90, NoExpandSubcommands: true}),
	)
	if err != nil {
		fmt.Fprintln(s.Err, "posthorn:", err)
		return exitFailed
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		return usage(s, err)
	}
	e := &environment{ctx: ctx, Streams: s, configFile: all.Config, json: all.JSON, remote: all.remote}
	return e.report(parsed.Run(e))
}

// usage tells what is wrong with a command line.
func usage(s Streams, err error) int {
	help, text := "posthorn", err.Error()
	var wrong *kong.ParseError
	if errors.As(err, &wrong) && wrong.Context != nil {
		node := wrong.Context.Selected()
		if node == nil {
			node = wrong.Context.Model.Node
		}
		help, text = node.FullPath(), friendlier(text, node)
	}
	fmt.Fprintf(s.Err, "posthorn: %s\nSee: %s --help\n", text, help)
	return exitUsage
}

// friendlier says some of kong's messages in words of every day.
func friendlier(text string, node *kong.Node) string {
	flag, _, noValue := strings.Cut(text, `: expected string value but got "EOL"`)
	argument, missing := strings.CutPrefix(text, "expected ")
	switch {
	case noValue:
		return flag + " needs a value"
	case missing && strings.HasPrefix(argument, "one of"):
		var names []string
		for _, child := range node.Children {
			names = append(names, child.Name)
		}
		return "which command? There are: " + strings.Join(names, " ")
	case missing:
		return strings.Trim(argument, `"`) + " is missing"
	}
	return text
}

// told is the error of a command that has said itself what went wrong; it is the
// exit code.
type told int

func (t told) Error() string { return fmt.Sprintf("exit %d", int(t)) }

// kindOf is what sort of failure an error is, for programs.
func kindOf(err error) fault.Kind {
	if problems := config.Problems(nil); errors.As(err, &problems) {
		return fault.Invalid
	}
	return fault.KindOf(err)
}

// report tells how a command has ended.
func (e *environment) report(err error) int {
	var exit told
	var problems config.Problems
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &exit):
		return int(exit)
	case e.json:
		// Nothing is left to do when standard error is closed.
		_ = json.NewEncoder(e.Err).Encode(map[string]string{"error": err.Error(), "kind": kindOf(err).String()})
	case errors.As(err, &problems): // each line names the file
		fmt.Fprintln(e.Err, problems)
	default:
		fmt.Fprintln(e.Err, "posthorn:", strings.ReplaceAll(err.Error(), "\n", "\n  "))
	}
	return exitFailed
}
