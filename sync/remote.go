package sync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Remote is a repository reached over smart HTTP with protocol version 2. It
// needs no git program and no disk. The zero value with a URL is ready to use;
// it is safe for concurrent use as long as its fields are not changed.
type Remote struct {
	// URL of the repository, http or https, without user or token.
	URL string
	// User is free text; Token is sent as the password, if it is not empty.
	User  string
	Token string
	// Client sends the requests; nil means http.DefaultClient. Redirects are never followed.
	Client *http.Client
}

const (
	// exchangeTimeout bounds one request and its response.
	exchangeTimeout = 5 * time.Minute
	// maxListing bounds the answer to a question for refs.
	maxListing = 4 << 20
	// agentCapability is how this program names itself to a server.
	agentCapability = "agent=branchline"
)

// post sends one request to a service of the repository and hands the response's
// body to read.
func (r *Remote) post(ctx context.Context, service string, body []byte, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, exchangeTimeout, fmt.Errorf("no answer within %s", exchangeTimeout))
	defer cancel()
	request, err := r.request(ctx, service, body)
	if err != nil {
		return err
	}
	response, err := r.client().Do(request)
	if err != nil {
		return fmt.Errorf("ask %s: %w", r.URL, cause(ctx, err))
	}
	defer response.Body.Close()
	if err := checkResponse(response, service); err != nil {
		return fmt.Errorf("ask %s: %w", r.URL, err)
	}
	if err := read(response.Body); err != nil {
		return fmt.Errorf("answer of %s: %w", r.URL, cause(ctx, err))
	}
	return nil
}

func (r *Remote) request(ctx context.Context, service string, body []byte) (*http.Request, error) {
	address, err := url.Parse(r.URL)
	if err != nil || address.Host == "" || address.Scheme != "http" && address.Scheme != "https" {
		return nil, errors.New("repository URL is not http(s)://host/path") // it may hold a token: not shown
	}
	if address.User != nil {
		return nil, errors.New("repository URL holds a user or token; give them separately")
	}
	address = address.JoinPath(service)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Content-Type", "application/x-"+service+"-request")
	request.Header.Set("Accept", "application/x-"+service+"-result")
	request.Header.Set("User-Agent", "git/branchline")
	if service == uploadPack {
		request.Header.Set("Git-Protocol", "version=2")
	}
	if r.Token != "" {
		request.SetBasicAuth(r.User, r.Token)
	}
	return request, nil
}

// client does not follow redirects: they could take credentials, or a push, to a
// place that nobody configured.
func (r *Remote) client() *http.Client {
	client := http.DefaultClient
	if r.Client != nil {
		client = r.Client
	}
	own := *client
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

func checkResponse(response *http.Response, service string) error {
	switch code := response.StatusCode; {
	case code == http.StatusUnauthorized || code == http.StatusForbidden:
		return fmt.Errorf("%w: the server answers %s; check the token", ErrUnauthorized, response.Status)
	case code >= 300 && code < 400:
		return fmt.Errorf("the server redirects to %q; use that address if it is right", clip(response.Header.Get("Location")))
	case code != http.StatusOK:
		return fmt.Errorf("the server answers %s", response.Status)
	}
	if got, want := response.Header.Get("Content-Type"), "application/x-"+service+"-result"; got != want {
		return fmt.Errorf("the answer has content type %q, not %q; is this the address of a Git repository?", clip(got), want)
	}
	return nil
}

// cause is why ctx ended, if it did, else err.
func cause(ctx context.Context, err error) error {
	if c := context.Cause(ctx); c != nil && !errors.Is(err, c) {
		return fmt.Errorf("%w: %w", err, c)
	}
	return err
}

// tip asks where one ref points. ErrRefNotFound is returned only for a complete
// answer that does not name it.
func (r *Remote) tip(ctx context.Context, ref string) (objectID, error) {
	refs, err := r.list(ctx, []string{ref})
	if err != nil {
		return objectID{}, err
	}
	id, ok := refs[ref]
	if !ok {
		return objectID{}, fmt.Errorf("%w: %s", ErrRefNotFound, ref)
	}
	return id, nil
}
