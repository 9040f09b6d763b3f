package cli

import (
	"strings"

	"posthorn/internal/dsn"
	"posthorn/internal/fault"
)

// sendmailOptions is what a command line of sendmail's says.
type sendmailOptions struct {
	fromHeader bool    // -t
	ignoreDots bool    // -i
	from       *string // -f; nil: not given, "": the null sender
	name       string  // -F
	notify     string  // -N
	returns    string  // -R
	envelopeID string  // -V
	config     string  // -C
	submit     string  // --submit
	mode       byte    // of -b: m sends, p lists the queue; q stands for -q
	help       bool
	recipients []string
}

// withValue are the flags that have a value, in the same word or in the next.
const withValue = "ABCDFLMNORVXbfhopr"

// parseSendmail reads a command line of sendmail's: single letters, with or without a
// blank before their values, and recipients.
func parseSendmail(args []string) (*sendmailOptions, error) {
	o := &sendmailOptions{mode: 'm'}
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		switch {
		case word == "--":
			o.recipients = append(o.recipients, args...)
			return o, nil
		case strings.HasPrefix(word, "--"):
			var err error
			if args, err = o.long(word, args); err != nil {
				return nil, err
			}
		case len(word) < 2 || word[0] != '-':
			o.recipients = append(o.recipients, word)
		default:
			var err error
			if args, err = o.letters(word[1:], args); err != nil {
				return nil, err
			}
		}
	}
	return o, nil
}

// long reads a flag of our own.
func (o *sendmailOptions) long(word string, args []string) (rest []string, err error) {
	name, value, given := strings.Cut(word[2:], "=")
	switch {
	case name == "help":
		o.help = true
		return args, nil
	case name == "submit" && given:
		o.submit = value
		return args, nil
	case name == "submit" && len(args) > 0:
		o.submit = args[0]
		return args[1:], nil
	case name == "submit":
		return nil, fault.New(fault.Invalid, "--submit needs HOST:PORT")
	}
	return nil, fault.New(fault.Invalid, "unknown flag %s; see: posthorn sendmail --help", word)
}

// letters reads a word of flags: some without values, and at the end perhaps one with.
func (o *sendmailOptions) letters(word string, args []string) (rest []string, err error) {
	for i := range len(word) {
		letter, value := word[i], word[i+1:]
		switch {
		case letter == 'q' || letter == 'd': // what follows belongs to it, if anything does
			if letter == 'q' && o.mode == 'm' && len(o.recipients) == 0 {
				o.mode = 'q'
			}
			return args, nil
		case strings.IndexByte(withValue, letter) < 0:
			if err := o.flag(letter); err != nil {
				return nil, err
			}
			continue
		case value == "" && len(args) == 0:
			return nil, fault.New(fault.Invalid, "-%c needs a value", letter)
		case value == "":
			value, args = args[0], args[1:]
		}
		return args, o.value(letter, value)
	}
	return args, nil
}

// flag takes a flag without value.
func (o *sendmailOptions) flag(letter byte) error {
	switch letter {
	case 't':
		o.fromHeader = true
	case 'i':
		o.ignoreDots = true
	case 'v', 'n', 'm', 'U', 'G', 'x', 's', 'e': // change nothing here
	default:
		return fault.New(fault.Invalid, "unknown flag -%c; see: posthorn sendmail --help", letter)
	}
	return nil
}

// value takes a flag with its value.
func (o *sendmailOptions) value(letter byte, value string) error {
	switch letter {
	case 'f', 'r':
		value = strings.TrimSuffix(strings.TrimPrefix(value, "<"), ">")
		o.from = &value
	case 'F':
		o.name = value
	case 'C':
		o.config = value
	case 'o':
		o.ignoreDots = o.ignoreDots || value == "i" || value == "iTrue" || value == "itrue"
	case 'N':
		_, err := dsn.ParseNotify(value)
		o.notify = value
		return err
	case 'R':
		_, err := dsn.ParseReturn(value)
		o.returns = value
		return err
	case 'V':
		o.envelopeID = value
	case 'B':
		if !strings.EqualFold(value, "8BITMIME") && !strings.EqualFold(value, "7BIT") {
			return fault.New(fault.Invalid, "-B takes 7BIT or 8BITMIME, not %s", value)
		}
	case 'b':
		switch value {
		case "m", "p":
			o.mode = value[0]
		default:
			return fault.New(fault.Invalid, "-b%s is not supported: -bm sends a message, -bp lists the queue; for SMTP there is the server", value)
		}
	}
	return nil // the others change nothing here
}
