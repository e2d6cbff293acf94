package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	stdsync "sync"
	"time"

	"golang.org/x/sync/errgroup"

	"branchline.dev/branchline/providers"
	"branchline.dev/branchline/schemas"
	"branchline.dev/branchline/sync"
)

// Options say how a hub is made.
type Options struct {
	// Data is the directory that holds everything the hub knows.
	Data string
	// URL under which people and agents reach the hub, without a trailing slash.
	URL string
	// Version of the renderer.
	Version string
	// HookCommand runs sync.RunHook.
	HookCommand []string
	// Clouds holds the settings' schemas of each cloud type.
	Clouds map[string]schemas.CloudSchemas
	// Providers by cloud type.
	Providers map[string]providers.Provider
	// PollInterval of the agents that the hub installs (0: the agent's own default).
	PollInterval time.Duration
	// DeletionGrace is how long a removed cluster's infrastructure is kept.
	DeletionGrace time.Duration
	Log           *slog.Logger
}

// Hub is a running management side.
type Hub struct {
	options Options
	log     *slog.Logger
	signer  *sync.Signer
	tokens  *tokens
	server  *sync.Server
	lock    *os.File

	mu      stdsync.RWMutex
	tenants map[string]*tenant
}

// Open reads the data directory, or makes a new one, and takes its lock. Close
// releases it.
func Open(ctx context.Context, options Options) (*Hub, error) {
	for _, dir := range []string{"keys", "tenants"} {
		if err := os.MkdirAll(filepath.Join(options.Data, dir), 0o700); err != nil {
			return nil, err
		}
	}
	lock, err := lockDirectory(options.Data)
	if err != nil {
		return nil, err
	}
	h := &Hub{options: options, log: options.Log, tenants: map[string]*tenant{}, lock: lock}
	if err := h.open(ctx); err != nil {
		h.Close()
		return nil, err
	}
	return h, nil
}

func (h *Hub) open(ctx context.Context) (err error) {
	if h.signer, err = h.openSigner(); err != nil {
		return err
	}
	if h.tokens, err = openTokens(filepath.Join(h.options.Data, "tokens.json"), rand.Reader); err != nil {
		return err
	}
	h.server, err = sync.NewServer(sync.ServerOptions{
		Repository:   h.repository,
		Authenticate: func(tenant, _, token string) (sync.Principal, bool) { return h.tokens.authenticate(tenant, token) },
		Check:        h.check,
		Received:     h.received,
		HookCommand:  h.options.HookCommand,
		Log:          h.log,
	})
	if err != nil {
		return err
	}
	return h.openTenants(ctx)
}

// openSigner makes the signing key of a new hub. Later a missing key is an
// error: agents accept no other, so a new one would only lock them out.
func (h *Hub) openSigner() (*sync.Signer, error) {
	file := filepath.Join(h.options.Data, "keys", "renderer")
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		tenants, err := os.ReadDir(filepath.Join(h.options.Data, "tenants"))
		if err != nil {
			return nil, err
		}
		if len(tenants) > 0 {
			return nil, fmt.Errorf("%s is missing although there are tenants; restore it from a backup: their agents accept no other key", file)
		}
	}
	return sync.LoadOrCreateSigner(file, rand.Reader)
}

func (h *Hub) openTenants(ctx context.Context) error {
	entries, err := os.ReadDir(filepath.Join(h.options.Data, "tenants"))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		name, isRepository := strings.CutSuffix(entry.Name(), ".git")
		if !isRepository {
			continue
		}
		if err := h.openTenant(ctx, name); err != nil {
			return fmt.Errorf("tenant %s: %w", name, err)
		}
	}
	return nil
}

// Close releases the data directory.
func (h *Hub) Close() error {
	var errs []error
	if h.server != nil {
		errs = append(errs, h.server.Close())
	}
	return errors.Join(append(errs, h.lock.Close())...)
}

// Run serves and converges until ctx ends, then finishes what is under way.
func (h *Hub) Run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return h.serve(ctx, listener) })
	for _, tenant := range h.all() {
		group.Go(func() error { return tenant.run(ctx) })
	}
	return group.Wait()
}

// serve answers Git requests. Its limits keep a slow or hostile client from
// holding a connection for ever; a large clone may still take its time.
func (h *Hub) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler:           h.server,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.log.Handler(), slog.LevelWarn),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		stopped <- errors.Join(server.Shutdown(deadline), server.Close())
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	}
	<-stopped // a connection that had to be cut is no failure of the hub
	return nil
}

var tenantName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// CheckTenantName says whether a tenant can have that name.
func CheckTenantName(name string) error {
	if !tenantName.MatchString(name) {
		return fmt.Errorf("%q cannot name a tenant: use lower-case letters, digits and '-'", name)
	}
	return nil
}

// AddTenant makes a repository for a tenant, or finds the existing one. It is
// to be called before Run.
func (h *Hub) AddTenant(ctx context.Context, name string) error {
	if err := CheckTenantName(name); err != nil {
		return err
	}
	if h.tenant(name) != nil {
		return nil
	}
	return h.openTenant(ctx, name)
}

// IssueToken gives a person access to a tenant's repository and revokes the
// token that they had.
func (h *Hub) IssueToken(tenant, person string) (string, error) {
	if h.tenant(tenant) == nil {
		return "", fmt.Errorf("there is no tenant %q", tenant)
	}
	return h.tokens.issue(grant{Tenant: tenant, Kind: sync.Person, Name: person})
}

// IssueToken does the same on the data directory of a hub, which may be running
// in another process.
func IssueToken(data, tenant, person string) (string, error) {
	if err := CheckTenantName(tenant); err != nil {
		return "", err
	}
	repository := filepath.Join(data, "tenants", tenant+".git")
	if _, err := os.Stat(repository); err != nil {
		return "", fmt.Errorf("there is no tenant %q in %s; \"branchline hub serve --tenant %s\" makes it", tenant, data, tenant)
	}
	tokens, err := openTokens(filepath.Join(data, "tokens.json"), rand.Reader)
	if err != nil {
		return "", err
	}
	return tokens.issue(grant{Tenant: tenant, Kind: sync.Person, Name: person})
}

// RepositoryURL is where a tenant's repository is cloned from.
func (h *Hub) RepositoryURL(tenant string) string {
	return h.options.URL + "/" + tenant + ".git"
}

// PublicKey verifies what the hub signs (authorized_keys format).
func (h *Hub) PublicKey() string { return h.signer.PublicKey() }

// Repository is a tenant's repository on disk.
func (h *Hub) Repository(tenant string) (*sync.Repository, bool) { return h.repository(tenant) }

func (h *Hub) tenant(name string) *tenant {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.tenants[name]
}

func (h *Hub) all() []*tenant {
	h.mu.RLock()
	defer h.mu.RUnlock()
	tenants := make([]*tenant, 0, len(h.tenants))
	for _, t := range h.tenants {
		tenants = append(tenants, t)
	}
	slices.SortFunc(tenants, func(a, b *tenant) int { return strings.Compare(a.name, b.name) })
	return tenants
}

func (h *Hub) repository(name string) (*sync.Repository, bool) {
	t := h.tenant(name)
	if t == nil {
		return nil, false
	}
	return t.repository, true
}

func (h *Hub) check(ctx context.Context, push sync.Push) error {
	t := h.tenant(push.Tenant)
	if t == nil {
		return fs.ErrNotExist
	}
	return t.check(ctx, push)
}

func (h *Hub) received(name string, changes []sync.RefChange) {
	t := h.tenant(name)
	if t != nil && slices.ContainsFunc(changes, func(c sync.RefChange) bool { return c.Ref == mainRef }) {
		t.wakeUp()
	}
}
