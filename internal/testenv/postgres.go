package testenv

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// A PostgresServer is PostgreSQL as one test sees it: a database that nobody else uses, and the superuser "test".
type PostgresServer struct {
	t        testing.TB
	server   *server
	database string
}

// Postgres returns a new database on the PostgreSQL that all tests share. It is dropped when the test ends.
func Postgres(t testing.TB) *PostgresServer {
	t.Helper()
	p := &PostgresServer{t: t, server: shared(t, postgresKind)}
	p.newDatabase()
	t.Cleanup(func() {
		if _, err := psql(p.server, "postgres", `DROP DATABASE IF EXISTS "`+p.database+`" WITH (FORCE)`); err != nil {
			t.Errorf("drop database: %v", err)
		}
	})
	return p
}

func (p *PostgresServer) newDatabase() {
	p.t.Helper()
	p.database = testName(p.t)
	if _, err := psql(p.server, "postgres", `CREATE DATABASE "`+p.database+`"`); err != nil {
		p.t.Fatalf("create database: %v", err)
	}
}

// An OwnPostgresServer is a PostgreSQL that belongs to one test.
type OwnPostgresServer struct {
	PostgresServer
	*own
}

// OwnPostgres starts a PostgreSQL for this test alone, with further lines for postgresql.conf, in about two seconds.
func OwnPostgres(t testing.TB, conf ...string) *OwnPostgresServer {
	t.Helper()
	o := newOwn(t, postgresKind, conf)
	p := &OwnPostgresServer{PostgresServer: PostgresServer{t: t, server: o.node}, own: o}
	p.newDatabase()
	return p
}

// Stop ends the server at once but in good order, its clients' sessions with it.
func (p *OwnPostgresServer) Stop() {
	p.t.Helper()
	if err := p.own.node.end(syscall.SIGINT); err != nil { // SIGTERM would wait for clients to leave
		p.t.Fatal(err)
	}
}

// Kill ends the server as a crash would: sessions are cut, the log is replayed by Start.
func (p *OwnPostgresServer) Kill() {
	p.t.Helper()
	if err := p.own.node.end(syscall.SIGQUIT); err != nil {
		p.t.Fatal(err)
	}
}

// Addr is host:port.
func (p *PostgresServer) Addr() string { return address(p.server.Ports[0]) }

// Database is the name of this test's database.
func (p *PostgresServer) Database() string { return p.database }

// URL is the postgres:// URL of this test's database.
func (p *PostgresServer) URL() string { return p.URLAt(p.Addr()) }

// URLAt is URL with another address.
func (p *PostgresServer) URLAt(addr string) string {
	return fmt.Sprintf("postgres://test@%s/%s?sslmode=disable", addr, p.database)
}

// Query runs one statement in this test's database and returns its rows as text, fields separated by "|". An error
// fails the test.
func (p *PostgresServer) Query(statement string) []string {
	p.t.Helper()
	out, err := psql(p.server, p.database, statement)
	if err != nil {
		p.t.Fatal(err)
	}
	if out == "" {
		return nil
	}
	return strings.Split(out, "\n")
}

// CloseConnections ends all sessions of this test's database and returns how many there were.
func (p *PostgresServer) CloseConnections() int {
	p.t.Helper()
	return len(p.Query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"))
}
