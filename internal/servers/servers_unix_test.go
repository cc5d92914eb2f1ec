//go:build unix

package servers

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

func TestRedisKeepsItsAddressAndItsDataOverAKill(t *testing.T) {
	t.Parallel()
	s := Redis(t, "--appendonly", "yes", "--appendfsync", "always")
	mustAsk(t.Context(), t, s.Addr, "SET spider lycosa")
	s.Kill()
	if err := pingRedis(t.Context(), s.Addr); err == nil {
		t.Fatal("a killed server answers")
	}
	s.Restart()
	if got, err := askRedis(t.Context(), s.Addr, "GET spider"); got != "lycosa" {
		t.Fatalf("after the restart GET answers %q, %v", got, err)
	}
}

func TestRedisIsEmptyAfterARestartByDefault(t *testing.T) {
	t.Parallel()
	s := Redis(t)
	mustAsk(t.Context(), t, s.Addr, "SET spider lycosa")
	s.Restart()
	if got, _ := askRedis(t.Context(), s.Addr, "GET spider"); got != "$-1" {
		t.Fatalf("after the restart GET answers %q, want nothing", got)
	}
}

func TestServerIsGoneAfterItsTest(t *testing.T) {
	t.Parallel()
	var addr string
	t.Run("inner", func(t *testing.T) { addr = Redis(t).Addr })
	if addr == "" {
		t.Skip("redis-server is not on PATH")
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Fatalf("a server still listens at %s", addr)
	}
}

func TestFrozenServerDoesNotAnswerUntilThawed(t *testing.T) {
	t.Parallel()
	s := Redis(t)
	s.Freeze()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := pingRedis(ctx, s.Addr); err == nil {
		t.Error("a frozen server answers")
	}
	s.Thaw()
	if err := pingRedis(t.Context(), s.Addr); err != nil {
		t.Errorf("a thawed server does not answer: %v", err)
	}
}

func TestClusterServesEverySlot(t *testing.T) {
	t.Parallel()
	c := RedisCluster(t, 3)
	moved := 0
	for i := range 100 {
		answer, err := askRedis(t.Context(), c.Addrs[0], fmt.Sprintf("SET key%d 1", i))
		switch {
		case err != nil:
			t.Fatal(err)
		case strings.HasPrefix(answer, "-MOVED"):
			moved++
		case answer != "+OK":
			t.Fatalf("SET answers %s", answer)
		}
	}
	if moved == 0 || moved == 100 {
		t.Fatalf("%d of 100 keys are another node's", moved)
	}
}

func TestSentinelsPromoteAReplica(t *testing.T) {
	t.Parallel()
	s := Sentinel(t, 1, time.Second)
	mustAsk(t.Context(), t, s.Master.Addr, "SET spider lycosa")
	s.Master.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	awaitAnswer(ctx, t, s.Replicas[0].Addr, "SET spider lycosa", func(answer string) bool { return answer == "+OK" })
}

func TestClusterReplicasFollowTheirMasters(t *testing.T) {
	t.Parallel()
	c := RedisCluster(t, 3)
	for i, replica := range c.AddReplicas(t) {
		answer, err := askRedis(t.Context(), replica.Addr, "INFO replication")
		_, port, _ := net.SplitHostPort(c.Addrs[i])
		if err != nil || !strings.Contains(answer, "master_port:"+port) {
			t.Errorf("replica %d does not follow %s: %s %v", i, port, answer, err)
		}
	}
}

func TestMongoKeepsItsDataOverAKill(t *testing.T) {
	t.Parallel()
	s := PrivateMongo(t)
	client, err := mongo.Connect(options.Client().ApplyURI(s.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Disconnect(context.Background())
	spiders := client.Database(s.Database).Collection("spiders")
	if _, err := spiders.InsertOne(t.Context(), bson.D{{Key: "_id", Value: "lycosa"}}); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	s.Restart()
	if n, err := spiders.CountDocuments(t.Context(), bson.D{}); n != 1 {
		t.Fatalf("after the restart there are %d documents, %v", n, err)
	}
}

func TestDatabaseIsPutIntoTheURI(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"mongodb://h":                        "mongodb://h/db",
		"mongodb://h/":                       "mongodb://h/db",
		"mongodb://a:1,b:2/?replicaSet=r":    "mongodb://a:1,b:2/db?replicaSet=r",
		"mongodb://u:p@h/old?x=y":            "mongodb://u:p@h/db?x=y&authSource=old",
		"mongodb://u:p@h/old":                "mongodb://u:p@h/db?authSource=old",
		"mongodb://u:p@h":                    "mongodb://u:p@h/db?authSource=admin",
		"mongodb+srv://h/old?authSource=adm": "mongodb+srv://h/db?authSource=adm",
	} {
		if got := withDatabase(uri, "db"); got != want {
			t.Errorf("withDatabase(%s) = %s, want %s", uri, got, want)
		}
	}
}

// TestServerDiesWithAKilledTestBinary runs this test binary as a child, which starts a server and is then killed.
func TestServerDiesWithAKilledTestBinary(t *testing.T) {
	if os.Getenv("LYCOSA_TEST_CHILD") == "1" {
		s := Redis(t)
		fmt.Printf("pid %d\n", s.PID())
		select {} // until killed
	}
	t.Parallel()
	if _, err := os.Stat("/proc/self/exe"); err != nil {
		t.Skip("only Linux stops children of killed parents")
	}
	child := exec.Command(os.Args[0], "-test.run=^TestServerDiesWithAKilledTestBinary$", "-test.v")
	child.Env = append(os.Environ(), "LYCOSA_TEST_CHILD=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			pid, _ = strconv.Atoi(text)
		}
	}
	_ = child.Process.Kill()
	_ = child.Wait()
	if pid == 0 {
		t.Skip("the child started no server")
	}
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("server %d outlives the test binary", pid)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// alive reports whether the process runs; a zombie does not.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z")
}
