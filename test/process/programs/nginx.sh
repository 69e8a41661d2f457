# nginx with 2 workers: plain and compressed pages, a server behind a proxy,
# a reload in between.
needs="nginx curl perl"

prepare()
{
	perl -e 'for my $i (1 .. 50) {
		open my $f, ">", "$ARGV[0]/page$i.html" or exit 1;
		print $f "<p>page $i line $_ " . $i * $_ % 977 . "</p>\n" for 1 .. $i * 40;
	}' "$shared"
	chmod -R a+rX "$shared"
}

config()
{
	[ "$(id -u)" -ne 0 ] || echo "user root;"
	cat <<-E
	daemon off;
	worker_processes 2;
	pid $PWD/pid;
	error_log $PWD/error.log warn;
	events { worker_connections 256; }
	http {
		access_log $PWD/access.log;
		client_body_temp_path $PWD/t1;
		proxy_temp_path $PWD/t2;
		fastcgi_temp_path $PWD/t3;
		uwsgi_temp_path $PWD/t4;
		scgi_temp_path $PWD/t5;
		types { text/html html; }
		gzip on;
		gzip_proxied any;
		server {
			listen unix:$PWD/front;
			location / { proxy_pass http://unix:$PWD/back:/; }
			location /plain/ { alias $shared/; autoindex on; autoindex_exact_size off; }
		}
		server { listen unix:$PWD/back; root $shared; }
	}
	E
}

get() { curl -sSf --unix-socket "$PWD/front" "$@"; }

fetch_all()
{
	get "http://x/page[1-50].html" | sha256sum
	get "http://x/plain/page[1-50].html" | sha256sum
	get --compressed "http://x/page[1-50].html" | sha256sum
	get --compressed --parallel --parallel-max 16 -o "$1-#1" \
		"http://x/plain/page[1-50].html" && cat "$1"-* | sha256sum
	get -o /dev/null -w '%{http_code}\n' "http://x/plain/"
}

job()
{
	config >conf
	serve nginx -p "$PWD" -c "$PWD/conf" -e "$PWD/error.log"
	until_ok get http://x/page1.html
	is_preloaded "$server"
	for worker in $(pgrep -P "$server"); do is_preloaded "$worker"; done
	fetch_all first
	kill -HUP "$server"
	fetch_all second
	end_server QUIT
	no_complaint error.log
}
