package local

import (
	"path/filepath"
	"strings"
	"time"
)

// The names of the programs of a cluster.
const (
	etcdName      = "etcd"
	apiServerName = "kube-apiserver"
	managerName   = "kube-controller-manager"
	schedulerName = "kube-scheduler"
	kwokName      = "kwok"
	agentName     = "branchline-agent"
)

// disabledControllers have nothing to do on simulated nodes without a cloud.
var disabledControllers = []string{
	"cloud-node-lifecycle-controller", "node-ipam-controller", "node-route-controller", "service-lb-controller",
	"persistentvolume-attach-detach-controller", "persistentvolume-expander-controller",
}

// layout knows where the files of one cluster lie.
type layout struct{ dir string }

func (l layout) path(elements ...string) string {
	return filepath.Join(append([]string{l.dir}, elements...)...)
}
func (l layout) cert(pair string) string       { return l.path("pki", pair+".crt") }
func (l layout) key(pair string) string        { return l.path("pki", pair+".key") }
func (l layout) kubeconfig(user string) string { return l.path(user + ".kubeconfig") }

// The commands below keep CPU and memory low: a laptop runs several clusters of
// few objects each, so that serving fast matters less than resting quietly.

func (l layout) etcd(program string, p ports) command {
	client, peer := serverURL(p.Etcd), serverURL(p.EtcdPeer)
	return command{
		name: etcdName, path: program, dir: l.dir, grace: 2 * time.Second,
		env: environment(l.dir, "GOMAXPROCS=2"),
		args: []string{
			"etcd", "--name=local", "--data-dir=" + l.path("etcd"),
			"--listen-client-urls=" + client, "--advertise-client-urls=" + client,
			"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=local=" + peer,
			"--cert-file=" + l.cert(etcdPair), "--key-file=" + l.key(etcdPair),
			"--client-cert-auth=true", "--trusted-ca-file=" + l.cert(etcdCAPair),
			"--peer-cert-file=" + l.cert(etcdPair), "--peer-key-file=" + l.key(etcdPair),
			"--peer-client-cert-auth=true", "--peer-trusted-ca-file=" + l.cert(etcdCAPair),
			// The end of a process loses nothing; that of the machine may lose the last writes.
			"--unsafe-no-fsync=true",
			"--log-level=warn",
		},
	}
}

func (l layout) apiServer(program string, p ports) command {
	return command{
		// Its own drain waits for every client to leave, which they do not.
		name: apiServerName, path: program, dir: l.dir, grace: time.Second,
		env: environment(l.dir, "GOMAXPROCS=2"),
		args: []string{
			"kube-apiserver",
			"--bind-address=" + loopback, "--advertise-address=" + loopback, "--secure-port=" + port(p.APIServer),
			// Endpoints of the kubernetes Service may not be loopback addresses.
			"--endpoint-reconciler-type=none",
			"--service-cluster-ip-range=" + serviceIPs,
			"--tls-cert-file=" + l.cert(apiServerPair), "--tls-private-key-file=" + l.key(apiServerPair),
			"--client-ca-file=" + l.cert(caPair),
			"--etcd-servers=" + serverURL(p.Etcd), "--etcd-cafile=" + l.cert(etcdCAPair),
			"--etcd-certfile=" + l.cert(etcdClientPair), "--etcd-keyfile=" + l.key(etcdClientPair),
			"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
			"--service-account-signing-key-file=" + l.key(signingPair), "--service-account-key-file=" + l.path("pki", signingPair+".pub"),
			"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction", "--allow-privileged=true",
			"--enable-priority-and-fairness=false", "--profiling=false",
		},
	}
}

func (l layout) manager(program, inputs string) command {
	return command{
		name: managerName, path: program, dir: l.dir, grace: time.Second, inputs: inputs,
		env: environment(l.dir, "GOMAXPROCS=2"),
		args: []string{
			"kube-controller-manager", "--kubeconfig=" + l.kubeconfig(managerPair),
			"--secure-port=0", "--profiling=false", "--leader-elect=false",
			"--use-service-account-credentials=true", "--kube-api-qps=200", "--kube-api-burst=400",
			"--root-ca-file=" + l.cert(caPair), "--service-account-private-key-file=" + l.key(signingPair),
			"--cluster-signing-cert-file=" + l.cert(caPair), "--cluster-signing-key-file=" + l.key(caPair),
			"--controllers=*,-" + strings.Join(disabledControllers, ",-"),
		},
	}
}

func (l layout) scheduler(program, inputs string) command {
	return command{
		name: schedulerName, path: program, dir: l.dir, grace: time.Second, inputs: inputs,
		env: environment(l.dir, "GOMAXPROCS=1"),
		args: []string{
			"kube-scheduler", "--kubeconfig=" + l.kubeconfig(schedulerPair),
			"--secure-port=0", "--profiling=false", "--leader-elect=false",
			"--kube-api-qps=200", "--kube-api-burst=400",
		},
	}
}

func (l layout) kwok(program, inputs string) command {
	return command{
		name: kwokName, path: program, dir: l.dir, grace: time.Second, inputs: inputs,
		env: environment(l.dir, "GOMAXPROCS=1", "KWOK_WORKDIR="+l.path("kwok")),
		args: []string{
			"--kubeconfig=" + l.kubeconfig(kwokPair), "--manage-all-nodes=true",
			"--node-lease-duration-seconds=40", "--cidr=10.244.0.0/16", "--node-ip=10.96.255.254",
		},
	}
}

func (l layout) agent(program, inputs string) command {
	return command{
		name: agentName, path: program, dir: l.path("agent"), grace: 3 * time.Second, inputs: inputs,
		env:  environment(l.path("agent")),
		args: []string{"--kubeconfig", l.kubeconfig(agentName)},
	}
}
