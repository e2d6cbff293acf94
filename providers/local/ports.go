package local

import (
	"fmt"
	"net"
	"strconv"
	"sync"
)

// ports that the servers of one cluster listen on, all on loopback.
type ports struct {
	Etcd      int `json:"etcd"`
	EtcdPeer  int `json:"etcdPeer"`
	APIServer int `json:"apiServer"`
}

const loopback = "127.0.0.1"

// A portPool hands out ports that nobody listens on. It remembers them, because
// between choosing a port and listening on it another cluster might choose it too.
type portPool struct {
	mu    sync.Mutex
	taken map[int]string // by which cluster's directory
}

func newPortPool() *portPool { return &portPool{taken: map[int]string{}} }

// keepOrChoose leaves *port as it is if owner can listen on it, else changes it
// to one that is free.
func (p *portPool) keepOrChoose(owner string, port *int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *port != 0 {
		if by, reserved := p.taken[*port]; (!reserved || by == owner) && canListen(*port) {
			p.taken[*port] = owner
			return nil
		}
		if p.taken[*port] == owner {
			delete(p.taken, *port)
		}
	}
	for range 100 {
		candidate, err := unusedPort()
		if err != nil {
			return fmt.Errorf("find a free port on %s: %w", loopback, err)
		}
		if _, reserved := p.taken[candidate]; !reserved {
			p.taken[candidate] = owner
			*port = candidate
			return nil
		}
	}
	return fmt.Errorf("find a free port on %s: all that the system offered are reserved", loopback)
}

// release gives back every port of owner.
func (p *portPool) release(owner string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for port, by := range p.taken {
		if by == owner {
			delete(p.taken, port)
		}
	}
}

func canListen(port int) bool {
	listener, err := net.Listen("tcp", hostPort(port))
	if err != nil {
		return false
	}
	return listener.Close() == nil
}

func unusedPort() (int, error) {
	listener, err := net.Listen("tcp", hostPort(0))
	if err != nil {
		return 0, err
	}
	return listener.Addr().(*net.TCPAddr).Port, listener.Close()
}

func hostPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }

func port(p int) string { return strconv.Itoa(p) }

func serverURL(port int) string { return "https://" + hostPort(port) }
