package roster

import (
	"posthorn/internal/addr"
	"posthorn/internal/directory"
)

// The values of a document, which was parsed, as the directory takes them.

func address(text string) addr.Address {
	a, err := addr.Parse(text)
	if err != nil {
		return addr.Address{} // of "", that there is none
	}
	return a
}

func addresses(texts []string) []addr.Address {
	all := make([]addr.Address, len(texts))
	for i, text := range texts {
		all[i] = address(text)
	}
	return all
}

func (s *Settings) settings() directory.Settings {
	set := directory.Settings{Reason: s.Reason, Language: s.Language, POP3: s.POP3}
	if s.State != nil {
		state, _ := directory.ParseState(*s.State) // it is one
		set.State = &state
	}
	if s.Off != nil {
		set.Off = *s.Off
	}
	if s.Retention != nil {
		set.Retention = *s.Retention
	}
	if s.Forward != nil {
		set.Forward = &directory.Forwarding{To: addresses(s.Forward.To), Keep: s.Forward.Keep}
	}
	return set
}

func (a *Alias) senders() directory.Senders {
	if a.Senders == nil || *a.Senders == anyone {
		return directory.Anyone
	}
	return directory.Senders(*a.Senders)
}
