package admin

import "posthorn/internal/roster"

// Operation is one thing that can be asked for.
type Operation[Request, Response any] struct {
	path string
}

// Nothing is a request or a response without content.
type Nothing struct{}

// Name is a request about one domain, account or alias.
type Name struct {
	Name string `json:"name"`
}

// The operations.
var (
	AddDomain    = Operation[Name, Domain]{"domain/add"}
	ListDomains  = Operation[Nothing, []Domain]{"domain/list"}
	DeleteDomain = Operation[Name, Nothing]{"domain/delete"}
	ShowZone     = Operation[Name, DomainZone]{"domain/dns"}
	CheckDomain  = Operation[Name, DomainCheck]{"domain/check"}
	ListKeys     = Operation[Name, []DomainKey]{"domain/dkim/list"}
	RotateKeys   = Operation[Name, []DomainKey]{"domain/dkim/rotate"}
	ActivateKeys = Operation[KeyOrder, []DomainKey]{"domain/dkim/activate"}
	AliasDomain  = Operation[Domain, Domain]{"domain/alias"}
	SetDomain    = Operation[DomainSettings, Domain]{"domain/set"}
	SetCatchAll  = Operation[Domain, Domain]{"domain/catch-all"}

	AddDomainAdmin    = Operation[DomainAdmin, Nothing]{"domain/admin/add"}
	RemoveDomainAdmin = Operation[DomainAdmin, Nothing]{"domain/admin/remove"}
	ListDomainAdmins  = Operation[Name, []Account]{"domain/admin/list"}

	AddAccount      = Operation[Credentials, Account]{"account/add"}
	ImportAccounts  = Operation[[]Credentials, Imported]{"account/import"}
	ListAccounts    = Operation[Nothing, []Account]{"account/list"}
	ShowAccount     = Operation[Name, AccountDetails]{"account/show"}
	SetPassword     = Operation[Credentials, Nothing]{"account/passwd"}
	DeleteAccount   = Operation[Name, Account]{"account/delete"}
	ForwardAccount  = Operation[Account, Account]{"account/forward"}
	SetAccount      = Operation[AccountSettings, Account]{"account/set"}
	SetPOP3         = Operation[POP3Settings, POP3Settings]{"account/pop3"}
	UndeleteAccount = Operation[AccountRename, Account]{"account/undelete"}
	ShowScram       = Operation[Nothing, ScramReport]{"account/scram/show"}
	ListDeleted     = Operation[Nothing, []Account]{"account/deleted"}
	RenameAccount   = Operation[AccountRename, Account]{"account/rename"}
	ExportRoster    = Operation[Nothing, roster.Document]{"account/export"}
	SetRetention    = Operation[Retention, Retention]{"account/retention"}
	SetState        = Operation[AccountState, Account]{"account/state"}
	SetMechanisms   = Operation[AccountMechanisms, Account]{"account/mechanisms"}

	ListHeld       = Operation[Nothing, []AccountHold]{"account/held"}
	ReleaseAccount = Operation[Name, AccountReleased]{"account/release"}
	SecureAccount  = Operation[SecureOrder, Secured]{"account/secure"}

	AddApp        = Operation[AppPassword, AppPassword]{"account/app-password/add"}
	ListApps      = Operation[Name, []AppPassword]{"account/app-password/list"}
	RemoveApp     = Operation[AppPassword, Nothing]{"account/app-password/remove"}
	EnrolTOTP     = Operation[Name, TOTP]{"account/totp/enrol"}
	ConfirmTOTP   = Operation[AccountCode, Nothing]{"account/totp/confirm"}
	VerifyTOTP    = Operation[AccountCode, Nothing]{"account/totp/verify"}
	RenewRecovery = Operation[Name, TOTP]{"account/totp/recovery"}
	DisableTOTP   = Operation[Name, Nothing]{"account/totp/disable"}
	ShareSecret   = Operation[Credentials, Nothing]{"account/shared-secret"}
	ForgetSecrets = Operation[Nothing, Nothing]{"account/forget-secrets"}

	AddAlias    = Operation[Alias, Alias]{"alias/add"}
	ListAliases = Operation[Nothing, []Alias]{"alias/list"}
	DeleteAlias = Operation[Name, Nothing]{"alias/delete"}

	ListQueue    = Operation[QueueFilter, QueueList]{"queue/list"}
	ShowQueue    = Operation[Name, QueuedMessage]{"queue/show"}
	OperateQueue = Operation[QueueOrder, QueueAffected]{"queue/operate"}

	SearchHistory = Operation[HistoryQuery, HistoryAnswer]{"history/search"}
	SearchAudit   = Operation[AuditQuery, AuditAnswer]{"audit/search"}

	RebuildIndex = Operation[Name, IndexRebuilt]{"index/rebuild"}

	ListCertificates = Operation[Nothing, []Certificate]{"certificate/list"}
	RenewCertificate = Operation[Name, CertificatesDue]{"certificate/renew"}

	ListSessions = Operation[Name, []Session]{"session/list"}
	EndSessions  = Operation[SessionEnd, SessionsEnded]{"session/end"}

	ListBans  = Operation[Nothing, []Ban]{"ban/list"}
	AddBan    = Operation[Ban, Nothing]{"ban/add"}
	RemoveBan = Operation[Name, Nothing]{"ban/remove"}

	Undelete = Operation[UndeleteOrder, []Deleted]{"mail/undelete"}

	ApplyRoster = Operation[RosterOrder, RosterChanges]{"apply"}

	Verify = Operation[Nothing, Verified]{"verify"}
	Repair = Operation[Nothing, Repaired]{"repair"}
)
