# The compiler and a program: direct buffers, native compression, threads,
# exceptions, garbage.
wants="java javac"

prepare() { cat >"$shared/Job.java" <<'J'
import java.nio.ByteBuffer;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public class Job {
	static long churn(int seed) throws Exception {
		Random r = new Random(seed);
		Map<Integer, List<String>> map = new HashMap<>();
		long sum = 0;
		for (int i = 0; i < 100000; i++)
			map.computeIfAbsent(r.nextInt(2000), k -> new ArrayList<>()).add("v" + i);
		for (List<String> l : map.values()) for (String s : l) sum += s.length();
		byte[] in = new byte[100000], out = new byte[110000], back = new byte[100000];
		for (int i = 0; i < in.length; i++) in[i] = (byte) (r.nextInt(8) + 'a');
		for (int i = 0; i < 10; i++) {
			Deflater d = new Deflater(i % 9 + 1); d.setInput(in); d.finish(); int n = d.deflate(out); d.end();
			Inflater f = new Inflater(); f.setInput(out, 0, n); int m = f.inflate(back); f.end();
			if (m != in.length || !Arrays.equals(in, back)) throw new Exception("not the same");
		}
		for (int i = 0; i < 200; i++) {
			ByteBuffer b = ByteBuffer.allocateDirect(1 + r.nextInt(200000));
			b.put(b.capacity() - 1, (byte) i); sum += b.get(b.capacity() - 1);
		}
		return sum;
	}
	public static void main(String[] a) throws Exception {
		ExecutorService pool = Executors.newFixedThreadPool(4);
		List<Future<Long>> list = new ArrayList<>();
		for (int i = 0; i < 8; i++) { int n = i; list.add(pool.submit(() -> churn(n))); }
		for (Future<Long> f : list) System.out.println(f.get());
		pool.shutdown();
		System.out.println(IntStream.range(0, 500000).parallel().mapToObj(i -> "x" + i % 1000).distinct().count());
		for (int i = 0; i < 500; i++) { Thread t = new Thread(() -> new byte[10000].clone()); t.start(); t.join(); }
		try { ByteBuffer.allocateDirect(Integer.MAX_VALUE); System.out.println("?"); } catch (OutOfMemoryError e) { System.out.println("refused"); }
	}
}
J
}

job()
{
	javac -J-Xmx256m -d . "$shared/Job.java" &&
		java -Xmx256m -XX:MaxDirectMemorySize=256m Job
}
