package main

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// callCounter is a proxy in front of the API server that counts requests. The
// server's own metrics do not say who asked.
type callCounter struct {
	server                 *httptest.Server
	calls, opened, watches atomic.Int64
}

// callCounts says how many requests there were, watches not included, and how
// many watches were opened and are open.
type callCounts struct{ calls, opened, watches int64 }

func newCallCounter(target *rest.Config) (*callCounter, error) {
	address, err := url.Parse(target.Host)
	if err != nil {
		return nil, err
	}
	// Who asks is up to the one who asks: its token passes through.
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(target))
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(address) },
		Transport:     transport,
		FlushInterval: -1, // events pass at once
		ErrorLog:      log.New(io.Discard, "", 0),
	}
	c := &callCounter{}
	c.server = httptest.NewUnstartedServer(c.counting(proxy))
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	c.server.EnableHTTP2 = true
	c.server.StartTLS()
	return c, nil
}

func (c *callCounter) counting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if watching := r.URL.Query().Get("watch"); watching == "true" || watching == "1" {
			c.opened.Add(1)
			c.watches.Add(1)
			defer c.watches.Add(-1)
		} else {
			c.calls.Add(1)
		}
		next.ServeHTTP(w, r)
	})
}

// config is how to reach the API server through the proxy.
func (c *callCounter) config() *rest.Config {
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.server.Certificate().Raw})
	return &rest.Config{Host: c.server.URL, TLSClientConfig: rest.TLSClientConfig{CAData: certificate}}
}

func (c *callCounter) seen() callCounts {
	return callCounts{c.calls.Load(), c.opened.Load(), c.watches.Load()}
}

func (c *callCounter) close() {
	c.server.CloseClientConnections() // watches never end by themselves
	c.server.Close()
}
