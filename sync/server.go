package sync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// ServerOptions says what a Server serves, to whom, and what it asks before a
// push is taken. All functions are called concurrently.
type ServerOptions struct {
	// Repository finds a tenant's repository.
	Repository func(tenant string) (*Repository, bool)
	// Authenticate says who holds a token. Comparing in constant time is its business.
	Authenticate func(tenant, user, token string) (Principal, bool)
	// Check decides about a push before any ref moves. The text of its error is
	// shown to the pusher line by line, and nothing of the push is kept.
	Check func(context.Context, Push) error
	// Received is told of refs that have moved. A hub that is killed between the
	// two never tells: whoever depends on it looks at the refs at its start.
	Received func(tenant string, changes []RefChange)
	// HookCommand is a program, with arguments, that calls RunHook and exits with
	// what it returns. git runs it for each push.
	HookCommand []string
	// Log gets refusals and failures; never a token.
	Log *slog.Logger

	// MaxProcesses bounds the git processes that serve requests at the same time;
	// further requests wait. 0 means 64.
	MaxProcesses int
	// MaxPackBytes bounds what a person pushes at once. 0 means 256 MiB.
	MaxPackBytes int64
	// IdleTimeout ends a request whose client neither sends nor takes a byte for
	// that long. 0 means 30 s.
	IdleTimeout time.Duration
}

// Push is what Check decides about.
type Push struct {
	Tenant    string
	Principal Principal
	Changes   []RefChange
	// Repository reads the objects of the push as well, and only until Check
	// returns. It cannot publish.
	Repository *Repository
	// Tell shows a line to the pusher if the push is accepted. It is to be called
	// from Check's own goroutine.
	Tell func(line string)
}

// RefChange is the move of one ref. Old or New is 40 zeros for a ref that did
// not exist or will not exist.
type RefChange struct {
	Ref string `json:"ref"`
	Old string `json:"old"`
	New string `json:"new"`
}

// Server is the hub's Git endpoint: an http.Handler for /<tenant>.git/ that
// speaks smart HTTP, versions 0 to 2, to git and to Remote. It runs git's
// upload-pack and receive-pack, one process group a request, which ends with the
// request.
//
// What it bounds itself: request bodies (also after decompression), processes,
// idle time. Header size and the time to send headers are for the http.Server
// around it: set MaxHeaderBytes, ReadHeaderTimeout and IdleTimeout there, and
// leave ReadTimeout and WriteTimeout unset, which would cut long clones off.
type Server struct {
	options ServerOptions
	slots   chan struct{}
	hooks   *hookListener
}

// NewServer starts to listen for its own hooks on a loopback port. Close ends
// that.
func NewServer(options ServerOptions) (*Server, error) {
	if options.Repository == nil || options.Authenticate == nil || options.Check == nil || len(options.HookCommand) == 0 {
		return nil, errors.New("git endpoint: Repository, Authenticate, Check and HookCommand must be set")
	}
	options = withDefaults(options)
	hooks, err := listenForHooks(options)
	if err != nil {
		return nil, fmt.Errorf("git endpoint: %w", err)
	}
	return &Server{options: options, slots: make(chan struct{}, options.MaxProcesses), hooks: hooks}, nil
}

func withDefaults(o ServerOptions) ServerOptions {
	if o.Received == nil {
		o.Received = func(string, []RefChange) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.MaxProcesses <= 0 {
		o.MaxProcesses = 64
	}
	if o.MaxPackBytes <= 0 {
		o.MaxPackBytes = 256 << 20
	}
	if o.IdleTimeout <= 0 {
		o.IdleTimeout = 30 * time.Second
	}
	return o
}

// Close stops listening for hooks, so that pushes still under way are refused.
func (s *Server) Close() error { return s.hooks.close() }

// call is one authenticated request.
type call struct {
	w         http.ResponseWriter
	r         *http.Request
	tenant    string
	principal Principal
	repo      *Repository
	log       *slog.Logger
}

// ServeHTTP finds out who asks, then serves one of the three requests of smart
// HTTP.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, action, ok := splitPath(r.URL.Path)
	if !ok {
		http.NotFound(w, r)
		return
	}
	c, ok := s.authenticate(w, r, tenant)
	if !ok {
		return
	}
	defer c.watchIdle(s.options.IdleTimeout)()
	switch {
	case action == "info/refs" && r.Method == http.MethodGet:
		s.advertise(c)
	case action == uploadPack && r.Method == http.MethodPost && c.hasType(uploadPack):
		s.upload(c)
	case action == receivePack && r.Method == http.MethodPost && c.hasType(receivePack):
		s.receive(c)
	default:
		http.Error(w, "not a request of git's smart HTTP protocol", http.StatusBadRequest)
	}
}

// splitPath takes /<tenant>.git/<action> apart.
func splitPath(path string) (tenant, action string, ok bool) {
	tenant, action, ok = strings.Cut(strings.TrimPrefix(path, "/"), ".git/")
	if !ok || tenant == "" || len(tenant) > 63 {
		return "", "", false
	}
	for i, c := range []byte(tenant) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && (c != '-' || i == 0) {
			return "", "", false
		}
	}
	return tenant, action, action == "info/refs" || action == uploadPack || action == receivePack
}

// authenticate answers by itself if it fails. A tenant that does not exist looks
// like a wrong token.
func (s *Server) authenticate(w http.ResponseWriter, r *http.Request, tenant string) (*call, bool) {
	user, token, given := r.BasicAuth()
	if given {
		principal, ok := s.options.Authenticate(tenant, user, token)
		repo, found := s.options.Repository(tenant)
		if ok && found && principal.check() == nil {
			log := s.options.Log.With("tenant", tenant, "principal", principal.Kind.String(), "name", principal.Name, "cluster", principal.Cluster)
			return &call{w, r, tenant, principal, repo, log}, true
		}
		s.options.Log.Warn("git request refused", "tenant", tenant, "reason", "credentials are not valid", "from", r.RemoteAddr)
	}
	w.Header().Set("WWW-Authenticate", `Basic realm="branchline", charset="UTF-8"`)
	http.Error(w, "authentication required: any user name, and a token as the password", http.StatusUnauthorized)
	return nil, false
}

func (c *call) hasType(service string) bool {
	return c.r.Header.Get("Content-Type") == "application/x-"+service+"-request"
}

// answer starts a response of the protocol.
func (c *call) answer(service, kind string) io.Writer {
	header := c.w.Header()
	header.Set("Content-Type", "application/x-"+service+"-"+kind)
	header.Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	return c.w
}

func (c *call) fail(err error, code int) {
	c.log.Error("git request failed", "path", c.r.URL.Path, "error", err)
	http.Error(c.w, http.StatusText(code), code)
}
