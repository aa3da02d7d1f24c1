import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import org.eclipse.jetty.server.Connector;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * Starts DynamoDB Local on a free port of loopback and prints the port. By itself it listens on every address of the
 * machine, takes no port 0, and has no option for either, so its server is told before it starts.
 */
public class Loopback {
    public static void main(String[] args) throws Exception {
        DynamoDBProxyServer local = ServerRunner.createServerFromCommandLineArgs(args);
        var field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        Server server = (Server) field.get(local);
        for (Connector c : server.getConnectors()) {
            ServerConnector s = (ServerConnector) c;
            s.setHost("127.0.0.1");
            s.setPort(0);
        }
        local.start();
        System.out.println("port " + ((ServerConnector) server.getConnectors()[0]).getLocalPort());
        local.join();
    }
}
