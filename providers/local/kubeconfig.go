package local

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfigs makes the kubeconfig of every client of the cluster's API
// server and returns a digest of them: it changes when the clients must be
// started again. The agent's names a file for its token, which it reads anew.
func (l layout) writeKubeconfigs(cluster string, p ports) (digest string, err error) {
	ca, err := os.ReadFile(l.cert(caPair))
	if err != nil {
		return "", fmt.Errorf("write kubeconfigs of cluster %s: %w", cluster, err)
	}
	hash := sha256.New()
	for _, user := range []string{adminPair, managerPair, schedulerPair, kwokPair, agentName} {
		auth := clientcmdapi.NewAuthInfo()
		if user == agentName {
			auth.TokenFile = l.path("agent.token")
		} else if auth, err = l.clientCertificate(user); err != nil {
			return "", fmt.Errorf("write kubeconfigs of cluster %s: %w", cluster, err)
		}
		data, err := kubeconfig(cluster, serverURL(p.APIServer), ca, user, auth)
		if err != nil {
			return "", err
		}
		hash.Write(data)
		path := l.kubeconfig(user)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
			continue
		}
		if err := writeFile(path, data); err != nil {
			return "", fmt.Errorf("write kubeconfigs of cluster %s: %w", cluster, err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

func (l layout) clientCertificate(pair string) (*clientcmdapi.AuthInfo, error) {
	certificate, err := os.ReadFile(l.cert(pair))
	if err != nil {
		return nil, err
	}
	key, err := os.ReadFile(l.key(pair))
	if err != nil {
		return nil, err
	}
	auth := clientcmdapi.NewAuthInfo()
	auth.ClientCertificateData, auth.ClientKeyData = certificate, key
	return auth, nil
}

func kubeconfig(cluster, server string, ca []byte, user string, auth *clientcmdapi.AuthInfo) ([]byte, error) {
	config := clientcmdapi.NewConfig()
	config.Clusters[cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos[user] = auth
	config.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user}
	config.CurrentContext = cluster
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("write the kubeconfig of %s for cluster %s: %w", user, cluster, err)
	}
	return data, nil
}

// requestTimeout bounds each request of a step: one that hangs is tried again.
const requestTimeout = 10 * time.Second

// adminConfig reads the connection of the cluster's administrator.
func (l layout) adminConfig() (*rest.Config, error) {
	config, err := clientcmd.BuildConfigFromFlags("", l.kubeconfig(adminPair))
	if err != nil {
		return nil, fmt.Errorf("read the admin kubeconfig: %w", err)
	}
	config.UserAgent = "branchline-local"
	config.QPS, config.Burst, config.Timeout = 200, 400, requestTimeout
	return config, nil
}
