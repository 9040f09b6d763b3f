package directory

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"posthorn/internal/addr"
	"posthorn/internal/fault"
)

// ReadCSV reads accounts for Import from lines of `address,password`. A first line
// that says just that is passed over. If anything is wrong, an Invalid error tells
// all of it, by line.
func ReadCSV(r io.Reader) ([]NewAccount, error) {
	rows := csv.NewReader(skipMark(r))
	rows.FieldsPerRecord = -1
	rows.ReuseRecord = true
	var accounts []NewAccount
	var wrong problems
	for {
		row, err := rows.Read()
		var syntax *csv.ParseError
		switch {
		case err == io.EOF:
			return accounts, wrong.err()
		case errors.As(err, &syntax):
			wrong.add(syntax.Line, syntax.Err)
			return nil, wrong.err()
		case err != nil:
			return nil, fault.New(fault.Unavailable, "reading the accounts: %w", err)
		}
		line, _ := rows.FieldPos(0)
		if len(accounts) == 0 && len(row) == 2 && row[0] == "address" && row[1] == "password" {
			continue
		}
		account, err := rowAccount(row)
		if err != nil {
			wrong.add(line, err)
			continue
		}
		account.Line = line
		accounts = append(accounts, account)
	}
}

func rowAccount(row []string) (NewAccount, error) {
	if len(row) != 2 {
		return NewAccount{}, fmt.Errorf("%d columns; want address,password (with quotes around a password that has a comma)", len(row))
	}
	address, err := addr.Parse(strings.TrimSpace(row[0]))
	return NewAccount{Address: address, Password: row[1]}, err
}

// skipMark passes over the byte order mark that spreadsheets write.
func skipMark(r io.Reader) io.Reader {
	buffered := bufio.NewReader(r)
	if mark, err := buffered.Peek(3); err == nil && string(mark) == "\ufeff" {
		buffered.Discard(3) // was peeked
	}
	return buffered
}
