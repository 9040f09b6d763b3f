package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"posthorn/internal/fault"
)

// pathPrefix is what the paths of all operations begin with. The number is that of
// the interface: requests and responses only ever gain fields.
const pathPrefix = "/v1/"

// failure is how an error travels.
type failure struct {
	Kind  string `json:"kind"`
	Error string `json:"error"`
}

// Handler answers requests for all operations, whoever they come from: it is for the
// control socket, which the operator alone can open, and for programs of his.
func (a *Admin) Handler() http.Handler {
	mux, everything := a.operations(), &caller{operator: true}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mux.ServeHTTP(w, r.WithContext(withCaller(r.Context(), everything)))
	})
}

// operations binds all operations. They ask who the caller is.
func (a *Admin) operations() *bound {
	mux := &bound{ServeMux: http.NewServeMux(), admin: a}
	handle(mux, AddDomain, a.addDomain)
	handle(mux, ListDomains, a.listDomains)
	handle(mux, DeleteDomain, a.deleteDomain)
	handle(mux, ShowZone, a.showZone)
	handle(mux, CheckDomain, a.checkDomain)
	handle(mux, ListKeys, a.listKeys)
	handle(mux, RotateKeys, a.rotateKeys)
	handle(mux, ActivateKeys, a.activateKeys)
	handle(mux, AliasDomain, a.aliasDomain)
	handle(mux, SetCatchAll, a.setCatchAll)
	handle(mux, SetDomain, a.setDomain)
	handle(mux, AddDomainAdmin, a.addDomainAdmin)
	handle(mux, RemoveDomainAdmin, a.removeDomainAdmin)
	handle(mux, ListDomainAdmins, a.listDomainAdmins)
	handle(mux, AddAccount, a.addAccount)
	handle(mux, ImportAccounts, a.importAccounts)
	handle(mux, ListAccounts, a.listAccounts)
	handle(mux, ShowAccount, a.showAccount)
	handle(mux, SetPassword, a.setPassword)
	handle(mux, DeleteAccount, a.deleteAccount)
	handle(mux, ForwardAccount, a.forwardAccount)
	handle(mux, SetAccount, a.setAccount)
	handle(mux, SetPOP3, a.setPOP3)
	handle(mux, UndeleteAccount, a.undeleteAccount)
	handle(mux, ListDeleted, a.listDeleted)
	handle(mux, ShowScram, a.showScram)
	handle(mux, RenameAccount, a.renameAccount)
	handle(mux, ExportRoster, a.exportRoster)
	handle(mux, SetRetention, a.setRetention)
	handle(mux, SetState, a.setState)
	handle(mux, SetMechanisms, a.setMechanisms)
	handle(mux, ListHeld, a.listHeld)
	handle(mux, ReleaseAccount, a.releaseAccount)
	handle(mux, SecureAccount, a.secureAccount)
	handle(mux, AddApp, a.addApp)
	handle(mux, ListApps, a.listApps)
	handle(mux, RemoveApp, a.removeApp)
	handle(mux, EnrolTOTP, a.enrolTOTP)
	handle(mux, ConfirmTOTP, a.confirmTOTP)
	handle(mux, VerifyTOTP, a.verifyTOTP)
	handle(mux, RenewRecovery, a.renewRecovery)
	handle(mux, DisableTOTP, a.disableTOTP)
	handle(mux, ShareSecret, a.shareSecret)
	handle(mux, ForgetSecrets, a.forgetSecrets)
	handle(mux, AddAlias, a.addAlias)
	handle(mux, ListAliases, a.listAliases)
	handle(mux, DeleteAlias, a.deleteAlias)
	handle(mux, ListQueue, a.listQueue)
	handle(mux, ShowQueue, a.showQueue)
	handle(mux, OperateQueue, a.operateQueue)
	handle(mux, SearchHistory, a.searchHistory)
	handle(mux, SearchAudit, a.searchAudit)
	handle(mux, RebuildIndex, a.rebuildIndex)
	handle(mux, ListCertificates, a.listCertificates)
	handle(mux, RenewCertificate, a.renewCertificate)
	handle(mux, ListSessions, a.listSessions)
	handle(mux, EndSessions, a.endSessions)
	handle(mux, ListBans, a.listBans)
	handle(mux, AddBan, a.addBan)
	handle(mux, RemoveBan, a.removeBan)
	handle(mux, Undelete, a.undelete)
	handle(mux, ApplyRoster, a.applyRoster)
	handle(mux, Verify, a.verify)
	handle(mux, Repair, a.repair)
	mux.bind(sendOperation, a.send)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, fault.New(fault.Unsupported, "this posthorn has no operation %s; client and server may be of different versions", r.URL.Path))
	})
	return mux
}

// bound is what operations are bound to, and who writes down what they change.
type bound struct {
	*http.ServeMux
	admin *Admin
	paths []string // of all operations
}

// bind binds an operation to what answers its requests.
func (b *bound) bind(path string, answer http.HandlerFunc) {
	b.paths = append(b.paths, path)
	b.HandleFunc("POST "+pathPrefix+path, answer)
}

// handle binds an operation to what carries it out.
func handle[Request, Response any](b *bound, op Operation[Request, Response], do func(context.Context, Request) (Response, error)) {
	b.bind(op.path, func(w http.ResponseWriter, r *http.Request) {
		var request Request
		if err := json.NewDecoder(r.Body).Decode(&request); err != nil && !errors.Is(err, io.EOF) {
			answer(w, nil, unreadable(op.path, err))
			return
		}
		var response Response
		err := b.admin.authorize(r.Context(), op.path, request)
		if err == nil {
			response, err = do(r.Context(), request)
		}
		b.admin.note(r.Context(), op.path, request, err)
		answer(w, response, callerOf(r.Context()).told(r.Context(), err))
	})
}

func unreadable(operation string, err error) error {
	if large := new(http.MaxBytesError); errors.As(err, &large) {
		return fault.New(fault.TooLarge, "the request is larger than %d bytes", large.Limit)
	}
	return fault.New(fault.Invalid, "the request is not the JSON of %s: %w", operation, err)
}

// answer sends a response, or what went wrong.
func answer(w http.ResponseWriter, response any, err error) {
	status := http.StatusOK
	if err != nil {
		kind := fault.KindOf(err)
		status, response = statusOf(kind), failure{kind.String(), err.Error()}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	// The peer may have gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(response)
}

// statusOf is the table from kinds of errors to those of HTTP.
func statusOf(kind fault.Kind) int {
	switch kind {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Exists, fault.InUse:
		return http.StatusConflict
	case fault.Denied:
		return http.StatusForbidden
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.TooLarge:
		return http.StatusRequestEntityTooLarge
	case fault.Limit:
		return http.StatusTooManyRequests
	case fault.OverQuota, fault.StorageFull:
		return http.StatusInsufficientStorage
	case fault.Unavailable, fault.Canceled:
		return http.StatusServiceUnavailable
	case fault.Unsupported:
		return http.StatusNotImplemented
	case fault.Corrupt, fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}
