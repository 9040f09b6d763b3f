package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"posthorn/internal/fault"
)

// password finds the new password for an account: in a file, or from a person.
func (p passwordFile) password(e *environment, address string) (string, error) {
	switch p.PasswordFile {
	case "":
		return askPassword(e, address)
	case "-":
		return firstLine(e.In, "standard input")
	}
	file, err := os.Open(p.PasswordFile)
	if err != nil {
		return "", fault.New(fault.NotFound, "%w", err)
	}
	defer file.Close()
	return firstLine(file, p.PasswordFile)
}

func firstLine(r io.Reader, name string) (string, error) {
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil && err != io.EOF {
		return "", err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return "", fault.New(fault.Invalid, "%s: there is no password in its first line", name)
	}
	return line, nil
}

// askPassword asks a person, twice.
func askPassword(e *environment, address string) (string, error) {
	fd, ok := e.terminal()
	if !ok {
		return "", fault.New(fault.Invalid, "where is the password? Give --password-file FILE, or --password-file - for standard input")
	}
	var answers [2]string
	for i, prompt := range []string{"Password for " + address + ": ", "And once more: "} {
		fmt.Fprint(e.Err, prompt)
		answer, err := term.ReadPassword(fd)
		fmt.Fprintln(e.Err)
		if err != nil {
			return "", err
		}
		answers[i] = string(answer)
	}
	if answers[0] != answers[1] {
		return "", fault.New(fault.Invalid, "the two passwords differ; nothing was changed")
	}
	return answers[0], nil
}
