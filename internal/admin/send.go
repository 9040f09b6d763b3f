package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"posthorn/internal/fault"
)

// Envelope is what a program on this machine says of a message that it sends. An
// address without a domain is of this server.
type Envelope struct {
	From       string   `json:"from"`           // "": nobody, so that nothing comes back
	Name       string   `json:"name,omitempty"` // of a person, for a message without From
	To         []string `json:"to"`
	Notify     string   `json:"notify,omitempty"`      // of NOTIFY (RFC 3461)
	Return     string   `json:"return,omitempty"`      // of RET
	EnvelopeID string   `json:"envelope_id,omitempty"` // of ENVID, not encoded
}

// Sent says what has become of a message: it is in the mailboxes of its recipients,
// or queued for them.
type Sent struct {
	ID string `json:"id"`
}

const sendOperation = "message/send"

// Send hands a message in, with lines that end with CRLF. It is not an Operation,
// because the message follows the request as it is, and is never in memory as a
// whole. An error of kind NotFound names a recipient that is not there, Denied a rule
// that the message breaks; nobody has the message then.
func (c *Client) Send(ctx context.Context, e Envelope, message io.Reader) (Sent, error) {
	head, err := json.Marshal(e)
	if err != nil {
		return Sent{}, fault.New(fault.Internal, "admin: %w", err)
	}
	return exchange[Sent](ctx, c, pathPrefix+sendOperation, io.MultiReader(bytes.NewReader(append(head, '\n')), message))
}

// send carries it out.
func (a *Admin) send(w http.ResponseWriter, r *http.Request) {
	if err := a.authorize(r.Context(), sendOperation, nil); err != nil {
		answer(w, nil, err)
		return
	}
	if a.o.Send == nil {
		answer(w, nil, fault.New(fault.Unavailable, "no server runs"))
		return
	}
	var e Envelope
	decoder := json.NewDecoder(r.Body)
	if err := decoder.Decode(&e); err != nil {
		answer(w, nil, fault.New(fault.Invalid, "the request does not begin with an envelope: %w", err))
		return
	}
	message := io.MultiReader(decoder.Buffered(), r.Body)
	if _, err := io.ReadFull(message, make([]byte, 1)); err != nil { // the line end
		answer(w, nil, fault.New(fault.Invalid, "the request has no message: %w", err))
		return
	}
	sent, err := a.o.Send(r.Context(), e, message)
	answer(w, sent, err)
}
