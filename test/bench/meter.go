package main

import (
	"context"
	"errors"
	"io"
	"net"
	gosync "sync"
	"sync/atomic"
)

// meter passes connections on to a server and counts every byte of both
// directions, so that any client is measured the same way.
type meter struct {
	listener net.Listener
	target   string
	bytes    atomic.Int64

	mu      gosync.Mutex
	open    map[net.Conn]bool // nil once closed
	running gosync.WaitGroup
}

func newMeter(ctx context.Context, target string) (*meter, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	m := &meter{listener: listener, target: target, open: map[net.Conn]bool{}}
	m.running.Go(m.accept)
	return m, nil
}

func (m *meter) url() string { return "http://" + m.listener.Addr().String() + "/" + tenant + ".git" }

// counted gives the bytes on the wire during work. Each is counted before it is
// passed on: none is missing once work has its answer.
func (m *meter) counted(work func() error) (float64, error) {
	before := m.bytes.Load()
	err := work()
	return float64(m.bytes.Load() - before), err
}

func (m *meter) accept() {
	for {
		client, err := m.listener.Accept()
		if err != nil {
			return // closed
		}
		server, err := net.Dial("tcp", m.target)
		if err != nil {
			client.Close()
			continue
		}
		if !m.keep(client, server) {
			return
		}
		m.running.Go(func() { m.pass(client, server) })
		m.running.Go(func() { m.pass(server, client) })
	}
}

func (m *meter) keep(connections ...net.Conn) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range connections {
		if m.open == nil {
			c.Close()
			continue
		}
		m.open[c] = true
	}
	return m.open != nil
}

// pass copies one direction until either side ends it.
func (m *meter) pass(from, to net.Conn) {
	_, _ = io.Copy(to, countingReader{from, &m.bytes}) // an end like any other: the client notices
	from.Close()
	to.Close()
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, from)
	delete(m.open, to)
}

func (m *meter) close() error {
	err := m.listener.Close()
	m.mu.Lock()
	for c := range m.open {
		c.Close()
	}
	m.open = nil
	m.mu.Unlock()
	m.running.Wait()
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

type countingReader struct {
	in    io.Reader
	count *atomic.Int64
}

func (r countingReader) Read(p []byte) (int, error) {
	n, err := r.in.Read(p)
	r.count.Add(int64(n))
	return n, err
}
