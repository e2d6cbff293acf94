package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// agentProcess is the agent's program as it is shipped, with the rights of its
// service account.
type agentProcess struct {
	command *exec.Cmd
	log     bytes.Buffer
}

func startAgent(kubeconfig string, config *rest.Config, token string) (*agentProcess, error) {
	path, err := program("branchline-agent")
	if err != nil {
		return nil, err
	}
	if err := writeKubeconfig(kubeconfig, config, token); err != nil {
		return nil, err
	}
	p := &agentProcess{command: exec.Command(path, "--kubeconfig", kubeconfig, "--log-level", "warn")}
	p.command.Stdout, p.command.Stderr = &p.log, &p.log
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("start the agent: %w", err)
	}
	return p, nil
}

// writeKubeconfig connects to the server of config with the token and nothing
// else.
func writeKubeconfig(path string, config *rest.Config, token string) error {
	const name = "bench"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData, CertificateAuthority: config.CAFile}
	kubeconfig.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: token}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	kubeconfig.CurrentContext = name
	data, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return err
	}
	return writeSecret(path, data)
}

// notify makes the agent look at its branch now, as whoever tells it of a commit
// does.
func (p *agentProcess) notify() error {
	if err := p.command.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("notify the agent: %w", err)
	}
	return nil
}

// resident is the memory that the agent occupies now, in MiB. It reads /proc.
func (p *agentProcess) resident() (float64, error) {
	status, err := os.Open("/proc/" + strconv.Itoa(p.command.Process.Pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("read the agent's memory: %w; it is measured on Linux only", err)
	}
	defer status.Close()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 && fields[0] == "VmRSS:" {
			kib, err := strconv.ParseFloat(fields[1], 64)
			return kib / 1024, err
		}
	}
	return 0, errors.New("read the agent's memory: the process has ended")
}

const stopLimit = 15 * time.Second

// stop ends the agent as an operator would, and kills it if it does not end.
func (p *agentProcess) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil {
		return errors.Join(fmt.Errorf("stop the agent: %w", err), p.command.Wait(), p.said())
	}
	insist := time.AfterFunc(stopLimit, func() { _ = p.command.Process.Kill() }) // fails if it has ended
	defer insist.Stop()
	if err := p.command.Wait(); err != nil {
		return errors.Join(fmt.Errorf("stop the agent: %w", err), p.said())
	}
	return nil
}

// said is the end of the agent's log. It is to be called once the agent ended.
func (p *agentProcess) said() error {
	text := p.log.String()
	return fmt.Errorf("the agent's log ends with: %s", text[max(0, len(text)-2000):])
}
