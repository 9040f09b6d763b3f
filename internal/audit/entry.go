package audit

import (
	"encoding/json"
	"time"

	"posthorn/internal/obs"
)

// Entry is a line of the trail. What is not known, or does not apply, is left out.
type Entry struct {
	Time      time.Time `json:"time"`
	Event     string    `json:"event"`          // as in the log: "logged in"
	User      string    `json:"user,omitempty"` // whom it concerns; of a failed login whom somebody claimed to be
	By        string    `json:"by,omitempty"`   // the operator who did it
	Operation string    `json:"operation,omitempty"`
	Detail    string    `json:"detail,omitempty"`
	Folder    string    `json:"folder,omitempty"`
	Messages  int       `json:"messages,omitempty"`
	Protocol  string    `json:"protocol,omitempty"`
	Mechanism string    `json:"mechanism,omitempty"`
	IP        string    `json:"ip,omitempty"`
	Client    string    `json:"client,omitempty"` // what it calls itself
	TLS       string    `json:"tls,omitempty"`
	Conn      string    `json:"conn,omitempty"`  // our name for the connection, as in the log
	Error     string    `json:"error,omitempty"` // why it failed; "": it did not
}

// EntryOf is an event as the trail shows it.
func EntryOf(e *obs.Event) Entry {
	entry := Entry{
		Time: e.Time.UTC(), Event: e.Kind.String(), User: e.User, By: e.By, Detail: e.Detail, Folder: e.Folder,
		Messages: e.Count, Protocol: e.Protocol, Client: e.Hello, TLS: e.TLS, Conn: e.Conn, Error: e.Error,
	}
	if e.Kind == obs.Administered {
		entry.Operation = e.Action
	} else {
		entry.Mechanism = e.Action
	}
	if e.Remote.IsValid() {
		entry.IP = e.Remote.String()
	}
	return entry
}

// line is the entry as a line of JSON, without its end.
func (e Entry) line() []byte {
	line, err := json.Marshal(e)
	if err != nil { // of strings, numbers and a time that is one
		return []byte(`{"event":"an entry that cannot be written"}`)
	}
	return line
}
