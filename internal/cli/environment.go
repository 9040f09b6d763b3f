package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"posthorn/internal/config"
	"posthorn/internal/fault"
)

// environment is what a command works in.
type environment struct {
	Streams
	ctx        context.Context
	configFile string
	json       bool
	remote     remote
}

// loadConfig reads the configuration file.
func (e *environment) loadConfig() (*config.Config, error) {
	if e.remote.Server != "" {
		return nil, fault.New(fault.Invalid, "this command is for the machine that the server is on; leave out --server")
	}
	c, err := config.Load(e.configFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "there is no %s; name another with --config, or make one with: posthorn init", e.configFile)
	}
	return c, err
}

// print says what a command has to say: value as JSON, or what people writes.
func (e *environment) print(value any, people func(w io.Writer)) error {
	if !e.json {
		people(e.Out)
		return nil
	}
	encoder := json.NewEncoder(e.Out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

// table writes rows in columns. The first row is the heading; alone it is not
// written.
func table(w io.Writer, rows [][]string) {
	if len(rows) == 1 {
		return
	}
	columns := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(columns, strings.Join(row, "\t"))
	}
	columns.Flush()
}

// terminal is standard input's descriptor if a person sits there.
func (e *environment) terminal() (fd int, ok bool) {
	f, isFile := e.In.(*os.File)
	if !isFile || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	return int(f.Fd()), true
}

// count says how many there are of something.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(int64(n)) + " " + many
}

// thousands writes a number in groups of three digits.
func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// bytesText writes a size as people read it.
func bytesText(n int64) string {
	size, unit := float64(n), "B"
	for _, next := range []string{"kB", "MB", "GB", "TB"} {
		if size < 1000 {
			break
		}
		size, unit = size/1000, next
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.3g %s", size, unit)
}
