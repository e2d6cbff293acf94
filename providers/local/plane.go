package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// readyTimeout bounds one question to the API server whether it is ready.
const readyTimeout = 2 * time.Second

// host is what all clusters of one process share.
type host struct {
	program string // the control plane's
	spawner *spawner
	ports   *portPool
	log     *slog.Logger
	now     func() time.Time
}

// plane is the control plane of one cluster.
type plane struct {
	*host
	layout
	state     *state
	processes *processSet

	kubeconfigs string // digest of what the API server's clients were told
	config      *rest.Config
	client      *kubernetes.Clientset
	dynamic     dynamic.Interface // for objects of any kind
	kinds       meta.RESTMapper

	intactSeen time.Time // when the agent's installation was last seen to be complete
}

// openPlane opens the directory of a cluster, or makes a new one's.
func openPlane(h *host, dir, tenant, cluster, uid string) (*plane, error) {
	l := layout{dir}
	for _, d := range []string{l.dir, l.path("logs"), l.path("agent")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of cluster %s: %w", cluster, err)
		}
	}
	s, err := readState(dir)
	if err != nil {
		return nil, err
	}
	if s.UID != "" && s.UID != uid {
		return nil, fmt.Errorf("directory %s belongs to cluster UID %s, not to %s; leave it alone or move it away", dir, s.UID, uid)
	}
	s.Tenant, s.Cluster, s.UID = tenant, cluster, uid
	if err := ensurePKI(l.path("pki"), h.now()); err != nil {
		return nil, err
	}
	log := h.log.With("tenant", tenant, "cluster", cluster)
	p := &plane{host: h, layout: l, state: &s}
	p.processes = newProcessSet(dir, h.spawner, &s, log, h.now)
	return p, s.write(dir)
}

// step starts what is missing of the control plane and says whether it serves.
// The incidents name programs that ended by themselves.
func (p *plane) step(ctx context.Context) (ready bool, incidents []string, err error) {
	if err := p.address(); err != nil {
		return false, nil, err
	}
	store := []command{p.etcd(p.program, p.state.Ports), p.apiServer(p.program, p.state.Ports)}
	if incidents, err = p.ensureAll(ctx, store); err != nil {
		return false, incidents, err
	}
	if !p.serves(ctx) {
		return false, incidents, ctx.Err()
	}
	// They would only wait, and take CPU from the API server as it starts.
	clients := []command{p.manager(p.program, p.kubeconfigs), p.scheduler(p.program, p.kubeconfigs)}
	more, err := p.ensureAll(ctx, clients)
	incidents = append(incidents, more...)
	return p.processes.running(managerName) && p.processes.running(schedulerName), incidents, err
}

func (p *plane) ensureAll(ctx context.Context, commands []command) (incidents []string, err error) {
	for _, c := range commands {
		incident, err := p.processes.ensure(ctx, c)
		if incident != "" {
			incidents = append(incidents, incident)
		}
		if err != nil {
			return incidents, err
		}
	}
	return incidents, nil
}

// address settles the ports of servers that do not run, and tells their clients.
func (p *plane) address() error {
	before := p.state.Ports
	var errs []error
	if !p.processes.running(etcdName) {
		errs = append(errs, p.ports.keepOrChoose(p.dir, &p.state.Ports.Etcd), p.ports.keepOrChoose(p.dir, &p.state.Ports.EtcdPeer))
	}
	if !p.processes.running(apiServerName) {
		errs = append(errs, p.ports.keepOrChoose(p.dir, &p.state.Ports.APIServer))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if p.client != nil && before == p.state.Ports {
		return nil
	}
	if err := p.state.write(p.dir); err != nil {
		return err
	}
	return p.connect()
}

// connect writes the kubeconfigs for the present port and opens the
// administrator's connection.
func (p *plane) connect() (err error) {
	if p.kubeconfigs, err = p.writeKubeconfigs(p.state.Cluster, p.state.Ports); err != nil {
		return err
	}
	if p.config, err = p.adminConfig(); err != nil {
		return err
	}
	compact := rest.CopyConfig(p.config)
	compact.ContentType = "application/vnd.kubernetes.protobuf"
	compact.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	if p.client, err = kubernetes.NewForConfig(compact); err != nil {
		return fmt.Errorf("connect to cluster %s: %w", p.state.Cluster, err)
	}
	if p.dynamic, err = dynamic.NewForConfig(p.config); err != nil {
		return fmt.Errorf("connect to cluster %s: %w", p.state.Cluster, err)
	}
	p.kinds = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(p.client.Discovery()))
	return nil
}

// serves asks the API server whether it is ready.
func (p *plane) serves(ctx context.Context) bool {
	if !p.processes.running(apiServerName) {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return p.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil
}

// close stops every process; data stays.
func (p *plane) close(ctx context.Context) error {
	err := p.processes.stopAll(ctx)
	p.ports.release(p.dir)
	return err
}
