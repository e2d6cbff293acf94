// Command kwok simulates the nodes of a local cluster: it plays the kubelet of
// every Node object, so that nodes become Ready and the pods bound to them
// Running, without running anything.
//
//	kwok --kubeconfig FILE --manage-all-nodes=true ...
//
// It is sigs.k8s.io/kwok with two differences: the rules by which nodes and pods
// move on (its Stage documents for fast pods and for nodes kept alive by leases)
// are built in instead of read from a file, and no configuration of the person
// who runs it is read. It lives in a Go module of its own because it needs other
// versions of the Kubernetes libraries than the control plane does.
package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/pflag"
	nodefast "sigs.k8s.io/kwok/kustomize/stage/node/fast"
	nodelease "sigs.k8s.io/kwok/kustomize/stage/node/heartbeat-with-lease"
	podfast "sigs.k8s.io/kwok/kustomize/stage/pod/fast"
	"sigs.k8s.io/kwok/pkg/config"
	"sigs.k8s.io/kwok/pkg/kwok/cmd"
	"sigs.k8s.io/kwok/pkg/log"
	"sigs.k8s.io/kwok/pkg/utils/signals"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintf(os.Stderr, "kwok: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	if err := offerStages(); err != nil {
		return err
	}
	flags := pflag.NewFlagSet("kwok", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true // they are the command's own
	flags.Usage = func() {}
	ctx, _ := log.InitFlags(signals.SetupSignalContext(), flags)
	ctx, err := config.InitFlags(ctx, flags)
	if err != nil {
		return fmt.Errorf("read the built-in stages: %w", err)
	}
	command := cmd.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	return command.ExecuteContext(ctx)
}

// offerStages makes the stages readable as standard input and asks for them by
// --config=-: the library takes configuration from files only.
func offerStages() error {
	read, write, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe for the stages: %w", err)
	}
	stages := strings.Join([]string{
		nodefast.DefaultNodeInit, nodelease.DefaultNodeHeartbeatWithLease,
		podfast.DefaultPodReady, podfast.DefaultPodComplete, podfast.DefaultPodDelete,
	}, "\n---\n")
	go func() {
		defer write.Close()
		// A failure shows as missing stages, which the command reports.
		_, _ = io.WriteString(write, stages)
	}()
	os.Stdin = read
	os.Args = append(os.Args[:1:1], append([]string{"--config=-"}, os.Args[1:]...)...)
	return nil
}
