package admin

import (
	"slices"

	"posthorn/internal/directory"
)

// Who may do what. The operator may do everything; everybody else what this table says,
// and nothing that it does not know. It knows accounts that administer domains, and all
// accounts; package directory keeps which are which.
//
// The rule behind it: nobody raises his own rights, or learns of what is not his. So an
// admin of a domain makes no admins, does not touch an account that has rights which he
// has not, and gives no more than the operator allows him; and what lies outside of his
// domains is for him as if it did not exist.

// right is what an operation asks of whoever calls it.
type right uint8

const (
	undecided right = iota // nobody has thought about it: as toOperator
	toOperator
	toAdmins // of any domain; the operation itself leaves out what is not theirs
	toSee    // admins of the domains of all that the request is about
	toChange // likewise, but not of accounts that have rights which they have not
	toOwn    // likewise, or whose own account it is
	toAll    // whoever has an account; the operation itself leaves out what is not his
)

// rightTo is the table.
func rightTo(operation string) right {
	switch operation {
	case AddDomain.path, DeleteDomain.path, AliasDomain.path, SetDomain.path, RotateKeys.path, ActivateKeys.path,
		AddDomainAdmin.path, RemoveDomainAdmin.path, ListDomainAdmins.path,
		ExportRoster.path, // it has the hashes of passwords
		ApplyRoster.path, ShowScram.path,
		EnrolTOTP.path, ConfirmTOTP.path, VerifyTOTP.path, RenewRecovery.path, ShareSecret.path, ForgetSecrets.path,
		RebuildIndex.path, ListCertificates.path, RenewCertificate.path, ListBans.path, AddBan.path, RemoveBan.path,
		ListSessions.path, EndSessions.path, ListHeld.path, ReleaseAccount.path, SecureAccount.path, Undelete.path, Verify.path, Repair.path, sendOperation:
		return toOperator

	case ListDomains.path, ListAccounts.path, ListDeleted.path, ListAliases.path, ListQueue.path, ShowQueue.path, OperateQueue.path, SearchHistory.path:
		return toAdmins

	case ShowZone.path, CheckDomain.path, ListKeys.path, ShowAccount.path:
		return toSee

	case SetCatchAll.path, AddAccount.path, ImportAccounts.path, DeleteAccount.path, UndeleteAccount.path, RenameAccount.path, ForwardAccount.path,
		SetAccount.path, SetPOP3.path, SetRetention.path, SetState.path, SetMechanisms.path, DisableTOTP.path, AddAlias.path, DeleteAlias.path:
		return toChange

	case SetPassword.path, AddApp.path, ListApps.path, RemoveApp.path:
		return toOwn

	case SearchAudit.path: // of his own logins
		return toAll
	}
	return undecided
}

// subject is one of the things that a request is about, as far as it has to be known.
type subject struct {
	name       string
	domain     string              // canonical
	account    directory.AccountID // 0: it is none that is there
	administer []string            // what that administers
	everywhere bool                // the operator has given that address rights over all of the server

	target bool // mail would go there, and nothing else happens to it
	ours   bool // of a target: its domain is served here
}

// verdict is what becomes of a request.
type verdict uint8

const (
	denied verdict = iota
	hidden         // as if the subject were not there
	beyond         // the subject has rights that the caller has not
	granted
)

// decide is the one place that says whether a caller may do something, which needs a
// right, to all that it is about. Where the answer is not granted, it says of which
// subject that is so; nil: of none.
func decide(c *caller, need right, about []subject) (verdict, *subject) {
	switch {
	case c.operator:
		return granted, nil
	case c.account == 0 || need == undecided || need == toOperator:
		return denied, nil
	case need == toAll, need == toAdmins && len(c.domains) > 0:
		return granted, nil
	case need == toAdmins || len(about) == 0:
		return denied, nil
	}
	for i := range about {
		if v := c.over(need, &about[i]); v != granted {
			return v, &about[i]
		}
	}
	return granted, nil
}

// over is decide for one subject.
func (c *caller) over(need right, s *subject) verdict {
	mine := slices.Contains(c.domains, s.domain)
	own := s.account != 0 && s.account == c.account
	switch {
	case s.target && (mine || !s.ours):
		return granted
	case s.target:
		return hidden
	case need == toOwn && own:
		return granted
	case own && !mine: // he knows that it is there
		return denied
	case !mine:
		return hidden
	case need == toSee:
		return granted
	case s.everywhere, slices.ContainsFunc(s.administer, func(domain string) bool { return !slices.Contains(c.domains, domain) }):
		return beyond
	}
	return granted
}
