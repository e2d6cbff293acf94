// Command branchline-controlplane is a Kubernetes control plane in one file:
// its first argument names the program to be, the rest are that program's own
// arguments.
//
//	branchline-controlplane etcd --data-dir ...
//	branchline-controlplane kube-apiserver --etcd-servers ...
//	branchline-controlplane kube-controller-manager --kubeconfig ...
//	branchline-controlplane kube-scheduler --kubeconfig ...
//	branchline-controlplane kubectl get nodes
//
// It lives in a Go module of its own because k8s.io/kubernetes needs replace
// directives for every staging module, which nobody who imports Branchline
// should inherit.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	_ "time/tzdata" // CronJobs name time zones, and the host may have none

	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	program := filepath.Base(os.Args[0])
	args := os.Args
	if _, known := programs[program]; !known {
		if len(os.Args) < 2 {
			usage()
		}
		program, args = os.Args[1], os.Args[1:]
	}
	run, known := programs[program]
	if !known {
		usage()
	}
	// Each program reads os.Args itself.
	os.Args = args
	os.Exit(run(args))
}

var programs = map[string]func(args []string) int{
	"etcd":                    func(args []string) int { etcdmain.Main(args); return 0 },
	"kube-apiserver":          func([]string) int { return cli.Run(apiserver.NewAPIServerCommand()) },
	"kube-controller-manager": func([]string) int { return cli.Run(controllermanager.NewControllerManagerCommand()) },
	"kube-scheduler":          func([]string) int { return cli.Run(scheduler.NewSchedulerCommand()) },
	"kubectl":                 func([]string) int { return cli.Run(kubectl.NewDefaultKubectlCommand()) },
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: branchline-controlplane etcd|kube-apiserver|kube-controller-manager|kube-scheduler|kubectl ARGS...")
	os.Exit(2)
}
