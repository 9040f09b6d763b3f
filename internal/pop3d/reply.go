package pop3d

import (
	"errors"

	"posthorn/internal/fault"
)

// errQuit ends the session as the client wished.
var errQuit = errors.New("pop3d: quit")

// failure is the one table from what went wrong to what the client is told, with
// the response codes of RFC 2449 §8 and RFC 3206 §4-6. It says what to do, and
// nothing of the server's inside.
func failure(err error) reply {
	switch fault.KindOf(err) {
	case fault.Invalid:
		return "-ERR The server cannot make sense of this"
	case fault.NotFound:
		return "-ERR This is no longer there"
	case fault.InUse:
		return "-ERR [IN-USE] Another POP3 session has this mailbox open; close it, or try again in a few minutes"
	case fault.Unauthenticated:
		return "-ERR [AUTH] Wrong user or password"
	case fault.Denied:
		return "-ERR [AUTH] The account is closed; ask its administrator"
	case fault.OverQuota:
		return "-ERR [SYS/PERM] The mailbox is full; delete some mail"
	case fault.TooLarge:
		return "-ERR [SYS/PERM] This is too large for the server"
	case fault.Limit:
		return "-ERR [SYS/TEMP] Too much at once; try again later"
	case fault.StorageFull:
		return "-ERR [SYS/TEMP] The server has no room left; try again later"
	case fault.Unavailable:
		return "-ERR [SYS/TEMP] A part of the server is out of order; try again later"
	case fault.Canceled:
		return "-ERR [SYS/TEMP] The server is being restarted; try again later"
	case fault.Corrupt:
		return "-ERR [SYS/PERM] The stored mail is damaged; ask the administrator"
	case fault.Unsupported:
		return "-ERR [SYS/PERM] This is not supported here"
	case fault.Exists, fault.Internal:
	}
	return "-ERR [SYS/TEMP] Something went wrong on the server; try again later"
}
